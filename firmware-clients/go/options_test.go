package client_test

import (
	"context"
	"strings"
	"testing"

	client "edgegw/firmware-clients/go"
)

func TestOptions(t *testing.T) {
	source := func(context.Context) (client.Token, error) { return client.Token{}, nil }
	device := client.Login{DeviceKey: "k"}
	const url = "http://gateway.local:8080"
	for _, c := range []struct {
		name string
		o    client.Options
		want string
	}{
		{"ok device", client.Options{URL: url, Login: device}, ""},
		{"ok https, with a path", client.Options{URL: "https://site.example/gateway/", Login: device}, ""},
		{"ok refresh token alone", client.Options{URL: url, Login: client.Login{RefreshToken: "r"}}, ""},
		{"ok source", client.Options{URL: url, Login: client.Login{Source: source}}, ""},
		{"ok from the first message on", client.Options{URL: url, Login: device, Room: "r", From: &client.Position{}}, ""},
		{"bad ws address", client.Options{URL: "ws://gateway.local", Login: device}, "URL"},
		{"bad address with a password", client.Options{URL: "http://a:b@gateway.local", Login: device}, "URL"},
		{"bad address with a query", client.Options{URL: url + "?x=y", Login: device}, "URL"},
		{"bad no address", client.Options{Login: device}, "URL"},
		{"bad control character", client.Options{URL: "http://\x00", Login: device}, "URL"},
		{"bad nothing to log in with", client.Options{URL: url}, "Login"},
		{"bad name without password", client.Options{URL: url, Login: client.Login{Username: "ann"}}, "both"},
		{"bad two ways", client.Options{URL: url, Login: client.Login{DeviceKey: "k", Source: source}}, "more than one"},
		{"bad source and refresh token", client.Options{URL: url, Login: client.Login{Source: source, RefreshToken: "r"}}, "refresh"},
		{"bad position without room", client.Options{URL: url, Login: device, From: &client.Position{Seq: 1}}, "Room"},
		{"bad position", client.Options{URL: url, Login: device, Room: "r", From: &client.Position{Seq: 1<<53 + 1}}, "position"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := client.New(c.o)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}
