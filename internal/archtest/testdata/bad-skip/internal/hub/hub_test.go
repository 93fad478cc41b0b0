package hub_test

import "testing"

func TestHub(t *testing.T) { t.Skip("no network here") }

func TestOther(t *testing.T) {
	t.Run("sub", func(t *testing.T) { t.SkipNow() })
}

func FuzzHub(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) { t.Skipf("%s", s) })
}
