package hub_test

import (
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/lxzan/gws"
	_ "github.com/stretchr/testify/assert"
)
