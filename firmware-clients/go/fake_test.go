package client_test

import (
	"testing"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/gatewaytest"
)

// fake is a gateway that a test plays.
type fake struct {
	*gatewaytest.Fake
	t *testing.T
}

func newFake(t *testing.T) *fake { return &fake{Fake: gatewaytest.NewFake(t), t: t} }

// start runs a client against the fake.
func (f *fake) start(o client.Options) *run {
	o.URL = f.URL
	if o.Login.Source == nil && o.Login.Password == "" && o.Login.RefreshToken == "" {
		o.Login = client.Login{Username: "ann", Password: "pw"}
	}
	if o.Random == nil {
		o.Random = quick{}
	}
	return start(f.t, o)
}
