package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/gatewaytest"
)

func TestConversation(t *testing.T) {
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	g.AddUser("bob", "")
	ann := start(t, client.Options{URL: g.URL, Login: password("ann"), Room: "plant.7"})
	hello := await[client.Connected](ann, 1, nil)
	if hello.User != "ann" || hello.Room != "plant.7" || hello.Session == "" || hello.MaxMessageBytes != 65536 || hello.ServerTime.IsZero() {
		t.Errorf("the welcome reads %+v", hello)
	}
	if now, known := ann.ServerTime(); known != (hello.Clock != "none") || known && time.Since(now).Abs() > 5*time.Second {
		t.Errorf("the gateway's time is %v, %v; its clock is %s", now, known, hello.Clock)
	}
	await[client.Subscribed](ann, 1, nil)
	bob := start(t, client.Options{URL: g.URL, Login: password("bob"), Room: "plant.7", Subprotocol: true})
	await[client.Subscribed](bob, 1, nil)
	if p := await[client.Presence](ann, 1, nil); p.User != "bob" || !p.Joined || p.Count != 2 {
		t.Errorf("the presence reads %+v", p)
	}
	bob.Typing("plant.7", true)
	if ty := await[client.Typing](ann, 1, nil); ty.User != "bob" || !ty.Active {
		t.Errorf("the typing reads %+v", ty)
	}

	receipt := bob.publish("", json.RawMessage(`{"temp": 21.50, "x":[1,  2]}`))
	if receipt.Room != "plant.7" || receipt.Seq != 1 || receipt.Durability != "queued" || receipt.TS.IsZero() {
		t.Errorf("the receipt reads %+v", receipt)
	}
	m := await[client.Message](ann, 1, nil)
	if string(m.Data) != `{"temp": 21.50, "x":[1,  2]}` || m.User != "bob" || m.Seq != 1 || m.ID != receipt.ID || m.Epoch == "" {
		t.Errorf("the message reads %+v", m)
	}
	if at, known := ann.Position("plant.7"); !known || at != (client.Position{Epoch: m.Epoch, Seq: 1}) {
		t.Errorf("the position is %v, %v", at, known)
	}
	if err := ann.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
}

func TestRooms(t *testing.T) {
	g := gatewaytest.Start(t)
	g.AddUser("ann", "", "*:rw")
	g.AddUser("guest", "", "lobby:r", "other:rw")
	r := start(t, client.Options{URL: g.URL, Login: password("guest")})
	if home := await[client.Connected](r, 1, nil).Room; home != "lobby" {
		t.Fatalf("the default room is %s", home)
	}
	if err := r.Subscribe("other", nil, false); err != nil {
		t.Fatal(err)
	}
	await(r, 1, func(s client.Subscribed) bool { return s.Room == "other" })
	if err := r.Subscribe("secret", nil, false); err != nil {
		t.Fatal(err)
	}
	if u := await[client.Unsubscribed](r, 1, nil); u.Room != "secret" || u.Reason != "forbidden" {
		t.Errorf("a room without grant: %+v", u)
	}
	if _, err := r.Publish(t.Context(), "lobby", 1); codeOf(err) != "forbidden" {
		t.Errorf("publishing without grant: %v", err)
	}
	r.publish("other", "one")
	await[client.Message](r, 1, nil)
	r.Unsubscribe("other")
	if u := await[client.Unsubscribed](r, 2, nil); u.Room != "other" || u.Reason != "requested" {
		t.Errorf("leaving a room: %+v", u)
	}
	r.publish("other", "two")
	// Left and joined again in one go; it goes on behind what it had.
	if err := r.Subscribe("other", &client.Position{Seq: 1}, false); err != nil {
		t.Fatal(err)
	}
	if m := await[client.Message](r, 2, nil); string(m.Data) != `"two"` || m.Seq != 2 {
		t.Errorf("after joining again: %+v", m)
	}
	r.Unsubscribe("lobby")
	await(r, 1, func(u client.Unsubscribed) bool { return u.Room == "lobby" })
	if lost := of[client.Lost](r); len(lost) > 0 {
		t.Errorf("lost: %+v", lost)
	}
}
