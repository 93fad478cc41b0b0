package course_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"edgegw/e2e/process"
)

// fault is something that goes wrong while messages go to and fro.
type fault struct {
	name string
	// options are the gateway's, and variables the driver's.
	options, variables []string
	// before comes before the client is started.
	before func(s *site)
	// do makes it happen; it may take its time.
	do func(s *site, d *driver)
	// every is how often the client publishes.
	every time.Duration
}

// TestFaults has the client publish and hear while something goes wrong. Behind it
// the ledger is balanced, however often the client was cut off.
func TestFaults(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, f.options...)
			if f.before != nil {
				f.before(s)
			}
			d := s.drive(f.variables...)
			d.await("subscribed", 1)
			tr := s.run(d, max(f.every, 20*time.Millisecond))
			d.await("ack", 1) // or a client that is quick is through before anything was under way
			f.do(s, d)
			s.balance(d, tr.finish())
			d.stop()
		})
	}
}

func faults() []fault {
	return []fault{
		{name: "ok nothing", do: func(*site, *driver) { time.Sleep(time.Second) }},
		{name: "ok the gateway restarts", do: func(s *site, d *driver) {
			for n := range 2 {
				s.Stop()
				s.again()
				d.await("connected", n+2)
			}
			if code := d.of("closed")[0].status(); code != 1012 && code != 1001 {
				s.t.Errorf("the first connection ended with %d", code)
			}
		}},
		{name: "ok the gateway is killed", do: func(s *site, d *driver) {
			for n := range 3 {
				s.kill()
				time.Sleep(300 * time.Millisecond)
				s.again()
				d.await("connected", n+2)
			}
		}},
		{name: "ok the connection is reset again and again", do: func(s *site, d *driver) {
			for n := range 5 {
				s.proxy.Reset()
				d.await("connected", n+2)
			}
			wantWaits(s.t, d)
		}},
		{name: "ok half-open", options: []string{"ping_interval=1s"}, do: func(s *site, d *driver) {
			s.proxy.HalfOpen()
			d.await("connected", 2)
		}},
		{name: "ok a slow link", every: 60 * time.Millisecond, do: func(s *site, _ *driver) {
			s.proxy.Slow(6000)
			time.Sleep(6 * time.Second)
			s.proxy.Slow(0)
		}},
		{name: "ok what was sent before arrives behind what was sent again", do: func(s *site, d *driver) {
			for n := range 2 {
				s.proxy.Stall(true)
				time.Sleep(400 * time.Millisecond)
				s.proxy.Orphan(3 * time.Second)
				d.await("connected", n+2)
				time.Sleep(3500 * time.Millisecond)
			}
		}},
		{name: "ok the token ends", options: []string{"device_access_ttl=6s"}, do: tokenEnds},
		{name: "ok the answer to the login is lost", before: func(s *site) { s.proxy.LoseAnswer("POST /auth/device") }, do: func(s *site, _ *driver) {
			time.Sleep(time.Second)
			if n := s.proxy.Requests("POST /auth/device"); n < 2 {
				s.t.Errorf("it logged in %d times; nothing was tried", n)
			}
		}},
		{name: "ok the answer to a refresh is lost", options: []string{"device_access_ttl=6s"}, do: refreshLost},
		{name: "ok the device's clock is in 1970", options: []string{"device_access_ttl=6s"}, variables: in1970(), before: func(s *site) {
			// Somebody tells the gateway the time; the device has it from there.
			s.do(http.StatusOK, "PUT", "/clock", map[string]any{"time": time.Now().Add(time.Second).UnixMilli()})
		}, do: func(s *site, d *driver) {
			tokenEnds(s, d)
			d.say(map[string]any{"do": "time"})
			if now := d.await("time", 1).UnixMS; now == nil || time.Since(time.UnixMilli(*now)).Abs() > 5*time.Second {
				s.t.Errorf("the client takes the gateway's time for %v", now)
			}
		}},
		{name: "ok the connection is cut by an administrator", do: func(s *site, d *driver) {
			id := s.do(http.StatusOK, "GET", "/connections", nil).JSON()["connections"].([]any)[0].(map[string]any)["id"].(string)
			s.do(http.StatusNoContent, "DELETE", "/connections/"+id, nil)
			d.await("connected", 2)
			if n := s.proxy.Requests("POST /auth/device"); n != 2 {
				s.t.Errorf("the device key was used %d times, want 2", n)
			}
		}},
		{name: "ok it publishes faster than it may", options: []string{"message_rate=20"}, do: func(*site, *driver) { time.Sleep(3 * time.Second) }},
	}
}

// tokenEnds waits for more than two lives of a token, in which the connection stays.
func tokenEnds(s *site, d *driver) {
	time.Sleep(14 * time.Second)
	if ends := d.of("closed"); len(ends) > 0 {
		s.t.Errorf("the connection ended: %+v", ends[0])
	}
	if n := s.proxy.Requests("POST /auth/refresh"); n < 2 {
		s.t.Errorf("it refreshed %d times in two lives of a token", n)
	}
	if n := s.proxy.Requests("GET /ws"); n != 1 {
		s.t.Errorf("it connected %d times", n)
	}
}

// refreshLost loses the answers to two refreshes: the client comes with the same
// token again, and its session goes on.
func refreshLost(s *site, d *driver) {
	for n := range 2 {
		lost := s.proxy.Requests("POST /auth/refresh") + 1
		s.proxy.LoseAnswer("POST /auth/refresh")
		s.until(fmt.Sprintf("the refresh after lost answer %d", n+1), func() bool { return s.proxy.Requests("POST /auth/refresh") > lost })
	}
	s.until("a refresh more", func() bool { return s.proxy.Requests("POST /auth/refresh") >= 5 })
	if n := s.proxy.Requests("POST /auth/device"); n != 1 {
		s.t.Errorf("the device key was used %d times, want once", n)
	}
	if s.logged("token_reused") {
		s.t.Error("a spent token came back")
	}
	d.await("connected", 1)
}

// until waits for what has to come.
func (s *site) until(what string, so func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s did not come in %v", what, patience)
		}
	}
}

// wantWaits holds the waits to PROTOCOL section 7: above 0, and at most twice as
// long after each try without a good connection.
func wantWaits(t *testing.T, d *driver) {
	t.Helper()
	for n, e := range d.of("closed") {
		if most := min(20_000, int64(500)<<n); e.WaitMS <= 0 || e.WaitMS > most {
			t.Errorf("wait %d is %d ms, want 1 to %d", n, e.WaitMS, most)
		}
	}
}

// TestPowerCut takes the power from the gateway: what its file system has not handed
// to the disk is gone.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	v := process.NewVolume(t, "ext4")
	s := open(t, "data_dir="+v.Path)
	d := s.drive()
	d.await("subscribed", 1)
	tr := s.run(d, 20*time.Millisecond)
	for n := range 2 {
		time.Sleep(time.Second)
		v.Cut()
		s.kill()
		v.Back()
		s.again()
		d.await("connected", n+2)
	}
	s.balance(d, tr.finish())
	d.stop()
	s.Stop()
}

// TestDeviceLosesPower kills the client before it has saved its newest refresh
// token: it goes on with the one before, in the same session.
func TestDeviceLosesPower(t *testing.T) {
	t.Parallel()
	s := open(t, "device_access_ttl=6s")
	d := s.drive()
	d.await("subscribed", 1)
	saved := d.await("login", 1).RefreshToken
	d.publish("before", 1)
	d.await("ack", 1)
	d.await("login", 2)
	d.kill()
	if saved == "" {
		t.Fatal("the driver told no refresh token")
	}
	d = s.drive("COURSE_REFRESH=" + saved)
	d.await("subscribed", 1)
	d.publish("after", 2)
	d.await("ack", 1)
	d.stop()
	if n := s.proxy.Requests("POST /auth/device"); n != 1 {
		t.Errorf("the device key was used %d times, want once", n)
	}
	if s.logged("token_reused") {
		t.Error("a spent token came back")
	}
	if got := s.history("course"); len(got) != 2 || got[0].ID != "before" || got[1].ID != "after" {
		t.Errorf("the history is %+v", got)
	}
}
