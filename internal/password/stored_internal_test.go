package password

import (
	"context"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

func TestParseStored(t *testing.T) {
	tests := []struct {
		name, in string
	}{
		{"ok plain", reference},
		{"ok without salt", "$edgegw-legacy$sha256$$" + reference},
		{"ok salt before", "$edgegw-legacy$sha256$TmFDbA$" + reference},
		{"ok salt after", "$edgegw-legacy$sha256s$TmFDbA$" + reference},
		{"ok longest salt", "$edgegw-legacy$sha256s$" + strings.Repeat("A", 86) + "$" + reference},
		{"bad longer salt", "$edgegw-legacy$sha256s$" + strings.Repeat("A", 87) + "$" + reference},
		{"bad other scheme", "$edgegw-legacy$md5$TmFDbA$" + reference},
		{"bad no scheme", "$edgegw-legacy$$TmFDbA$" + reference},
		{"bad upper case scheme", "$edgegw-legacy$SHA256$TmFDbA$" + reference},
		{"bad no salt member", "$edgegw-legacy$sha256" + reference},
		{"bad padded salt", "$edgegw-legacy$sha256$TmFDbA==$" + reference},
		{"bad line break in the salt", "$edgegw-legacy$sha256$TmF\nDbA$" + reference},
		{"bad trailing bits in the salt", "$edgegw-legacy$sha256$TmFDbB$" + reference},
		{"bad NUL in the salt", "$edgegw-legacy$sha256$TmF\x00DbA$" + reference},
		{"bad wrapped twice", "$edgegw-legacy$sha256$$$edgegw-legacy$sha256$$" + reference},
		{"bad nothing wrapped", "$edgegw-legacy$sha256$TmFDbA$"},
		{"bad digest wrapped", "$edgegw-legacy$sha256$TmFDbA$" + strings.Repeat("0", 64)},
		{"bad wrapped beyond the limits", "$edgegw-legacy$sha256$TmFDbA$" + strings.Replace(reference, "65536", "4294967295", 1)},
		{"bad wrapped not canonical", "$edgegw-legacy$sha256$TmFDbA$" + strings.Replace(reference, "t=2", "t=02", 1)},
		{"bad line break behind", "$edgegw-legacy$sha256$TmFDbA$" + reference + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, err := parseStored(tt.in)
			if good := strings.HasPrefix(tt.name, "ok "); good != (err == nil) {
				t.Fatalf("parseStored(%q): %v", tt.in, err)
			}
			if err == nil && w.String() != tt.in {
				t.Errorf("parseStored(%q) is written back as %q", tt.in, w)
			}
			if err != nil && (strings.Contains(err.Error(), "CTFh") || strings.Contains(err.Error(), "TmF")) {
				t.Errorf("the error quotes the hash: %v", err)
			}
		})
	}
}

// What a damaged store or a hostile import holds is refused at once, unhashed.
func TestMonstersAreRefusedAtOnce(t *testing.T) {
	h, err := New(Options{
		Params: Params{MemoryKiB: MinMemoryKiB, Time: 1, Threads: 1}, Concurrency: 1, Now: time.Now,
		Observe: func(time.Duration) { t.Error("hashed") },
	})
	if err != nil {
		t.Fatal(err)
	}
	const salt, hash = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	with := func(params string) string { return phcPrefix + params + "$" + salt + "$" + hash }
	huge := strings.Repeat("A", 10<<20)
	monsters := map[string]string{
		"empty":                  "",
		"all the memory":         with("m=4294967295,t=1,p=1"),
		"memory beyond 32 bits":  with("m=4294967296,t=1,p=1"),
		"memory beyond 64 bits":  with("m=99999999999999999999999,t=1,p=1"),
		"all the time":           with("m=65536,t=4294967295,p=1"),
		"no time":                with("m=65536,t=0,p=1"),
		"no threads":             with("m=65536,t=1,p=0"),
		"all threads":            with("m=65536,t=1,p=255"),
		"threads beyond 8 bits":  with("m=65536,t=1,p=257"),
		"nothing at all":         with("m=0,t=0,p=0"),
		"ten megabytes":          huge,
		"ten megabytes of $":     strings.Repeat("$", 10<<20),
		"huge parameters":        with("m=" + strings.Repeat("9", 10<<20) + ",t=1,p=1"),
		"huge salt":              phcPrefix + "m=65536,t=1,p=1$" + huge + "$" + hash,
		"huge hash":              phcPrefix + "m=65536,t=1,p=1$" + salt + "$" + huge,
		"salt too long":          phcPrefix + "m=65536,t=1,p=1$" + strings.Repeat("A", 88) + "$" + hash,
		"line break in the salt": phcPrefix + "m=65536,t=1,p=1$c29t\nZXNhbHQ$" + hash,
		"line break in the hash": with("m=65536,t=1,p=1") + "\r\n",
		"NUL":                    with("m=65536,t=1,p=1\x00"),
		"NUL behind":             with("m=65536,t=1,p=1") + "\x00",
		"not UTF-8":              with("m=65536,t=1,p=\xff"),
		"digits of other script": with("m=٦٥٥٣٦,t=1,p=1"),
	}
	for name, m := range monsters {
		monsters["wrapped, "+name] = "$edgegw-legacy$sha256$$" + m
	}
	monsters["wrapped, huge legacy salt"] = "$edgegw-legacy$sha256$" + huge + "$" + reference
	monsters["wrapped a thousand times"] = strings.Repeat("$edgegw-legacy$sha256$$", 1000) + reference
	monsters["huge legacy salt"] = "sha256$" + huge + "$" + strings.Repeat("0", 64)
	for name, m := range monsters {
		t.Run(name, func(t *testing.T) {
			best := time.Hour // of five, so that a busy machine does not matter
			for range 5 {
				start := time.Now()
				ok, _, err := h.Verify(context.Background(), "password", m)
				_, adopted := Adopt(m)
				best = min(best, time.Since(start))
				if ok || gateway.CodeOf(err) != gateway.CodeInternal || gateway.CodeOf(adopted) != gateway.CodeInvalidRequest {
					t.Fatalf("Verify: %v, %v; Adopt: %v", ok, err, adopted)
				}
				if len(err.Error()) > 200 || len(adopted.Error()) > 200 || strings.Contains(err.Error()+adopted.Error(), "CTFh") {
					t.Errorf("an error quotes it: %.300v; %.300v", err, adopted)
				}
			}
			if best > time.Millisecond {
				t.Errorf("refused after %v", best)
			}
		})
	}
}

func FuzzParseStored(f *testing.F) {
	f.Add(reference)
	f.Add("$edgegw-legacy$sha256$$" + reference)
	f.Add("$edgegw-legacy$sha256s$TmFDbA$" + strings.Replace(reference, "m=65536", "m=065536", 1))
	f.Add("$edgegw-legacy$sha256$TmF\nDbA$" + reference)
	f.Fuzz(func(t *testing.T, s string) {
		w, err := parseStored(s)
		if err != nil {
			return
		}
		if w.String() != s {
			t.Errorf("%q is accepted and written back as %q", s, w)
		}
		if err := w.params.Check(); err != nil {
			t.Errorf("%q is accepted: %v", s, err)
		}
		if IsLegacy(s) != (w.scheme != schemePlain) || len(s) > MaxPHCBytes || len(w.legacy) > maxLegacySaltBytes {
			t.Errorf("%q is accepted as %q with a salt of %d bytes", s, w.scheme, len(w.legacy))
		}
	})
}

func FuzzAdopt(f *testing.F) {
	f.Add(reference)
	f.Add(strings.Repeat("0a", 32))
	f.Add("sha256$NaCl$" + strings.Repeat("0a", 32))
	f.Add("sha256s$a$b$" + strings.Repeat("0A", 32))
	f.Fuzz(func(t *testing.T, s string) {
		i, err := Adopt(s)
		if err != nil {
			if gateway.CodeOf(err) != gateway.CodeInvalidRequest {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		// What Wrap makes of it can be read back.
		w := i.stored
		if i.Legacy() {
			w.phc = phc{params: Params{MaxMemoryKiB, MaxTime, MaxThreads}, salt: make([]byte, newSaltBytes), hash: make([]byte, newHashBytes)}
		} else if w.String() != s {
			t.Errorf("%q is adopted as %q", s, w)
		}
		if back, err := parseStored(w.String()); err != nil || back.legacy != w.legacy || back.scheme != w.scheme {
			t.Errorf("%q is stored as %q: %v", s, w, err)
		}
	})
}
