package client_test

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	client "edgegw/firmware-clients/go"
)

// A device that publishes what it measures, and listens to what it is told to do.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	key, err := os.ReadFile("/etc/sensor/device-key")
	if err != nil {
		log.Fatal(err)
	}
	login := client.Login{
		DeviceKey: strings.TrimSpace(string(key)),
		Save: func(refresh string) { // for the next start
			if err := os.WriteFile("/var/lib/sensor/refresh.new", []byte(refresh), 0o600); err == nil {
				_ = os.Rename("/var/lib/sensor/refresh.new", "/var/lib/sensor/refresh")
			}
		},
	}
	if saved, err := os.ReadFile("/var/lib/sensor/refresh"); err == nil {
		login.RefreshToken = string(saved)
	}
	c, err := client.New(client.Options{
		URL: "http://gateway.local:8080", Login: login, Room: "plant.7",
		Handle: func(e client.Event) {
			switch e := e.(type) {
			case client.Message:
				log.Printf("%s says in %s: %s", e.User, e.Room, e.Data)
			case client.Lost:
				log.Printf("missed %d to %d of %s (%s)", e.From, e.To, e.Room, e.Reason)
			case client.Disconnected:
				log.Printf("%v; again in %v", e.Err, e.Wait)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Subscribe("alarms", nil, true); err != nil {
		log.Fatal(err)
	}
	go func() {
		for ctx.Err() == nil {
			receipt, err := c.Publish(ctx, "plant.7", map[string]any{"temp": 21.5})
			if err == nil {
				log.Printf("stored as %d, %s", receipt.Seq, receipt.Durability)
			}
			time.Sleep(10 * time.Second)
		}
	}()
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		log.Print(err) // a new login is needed, or the gateway does not want this client
	}
}
