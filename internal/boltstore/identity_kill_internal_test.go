package boltstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// TestIdentityKillNine kills a process whose goroutines change accounts several
// times: whatever was answered is there, with its event in the same change.
func TestIdentityKillNine(t *testing.T) {
	if path := os.Getenv(killEnv); path != "" {
		logInForever(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "identity.db")
	acked := make(map[string]bool)
	for round := range 6 {
		for _, line := range runAndKill(t, "TestIdentityKillNine", path, time.Duration(60+40*round)*time.Millisecond) {
			acked[line] = true
		}
		s := openIdentity(t, path, nil)
		checkLogins(t, s, acked)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acked) < 100 {
		t.Errorf("only %d logins were answered", len(acked))
	}
}

func checkLogins(t *testing.T, s *Identity, acked map[string]bool) {
	t.Helper()
	sessions, events := make(map[string]bool), make(map[string]bool)
	err := s.View(func(tx *IdentityTx) error {
		list, err := tx.Events(nil, defaultAuditEvents)
		for i, e := range list {
			events[e.Subject] = true
			if e.Seq != uint64(i+1) {
				t.Fatalf("event %d has seq %d", i, e.Seq)
			}
		}
		return errors.Join(err, tx.Sessions("", func(s gateway.Session) bool { sessions[string(s.ID)] = true; return true }))
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range acked {
		if !sessions[id] || !events[id] {
			t.Errorf("login %s was answered; its session is there: %v, its event: %v", id, sessions[id], events[id])
		}
	}
	if len(sessions) != len(events) {
		t.Errorf("%d sessions and %d events", len(sessions), len(events))
	}
}

// logInForever has four goroutines add sessions with their events, and write a
// line for each that is on disk.
func logInForever(t *testing.T, path string) {
	s := openIdentity(t, path, nil)
	login := func(id string) error {
		return s.Update(func(tx *IdentityTx) error {
			return errors.Join(tx.PutSession(gateway.Session{Account: "ann", ID: gateway.SessionID(id), IP: strings.Repeat("x", 50)}),
				tx.AddEvent(event(gateway.EventLogin, id)))
		})
	}
	for worker := range 4 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprint(os.Getpid(), "-", worker, "-", n)
				if err := login(id); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Println(id)
			}
		}()
	}
	time.Sleep(time.Minute) // it is killed long before
}
