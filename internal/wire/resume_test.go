package wire_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// resumeOf reads what a subscribe asks for as encoding/json has it, and reports
// whether it is well-formed.
func resumeOf(members map[string]json.RawMessage) (r wire.Resume, ok bool) {
	if raw, has := members["after"]; has {
		n, err := strconv.ParseUint(string(raw), 10, 64)
		if err != nil || n > 1<<53 {
			return wire.Resume{}, false
		}
		r.After, r.HasAfter = gateway.Seq(n), true
	}
	if raw, has := members["epoch"]; has {
		epoch, isText := isString(raw)
		if !isText || epoch == "" || len(epoch) > 64 || !r.HasAfter {
			return wire.Resume{}, false
		}
		r.Epoch = gateway.Epoch(epoch)
	}
	if raw, has := members["latest"]; has {
		word := string(raw)
		if !strings.Contains(" true false 1 0 ", " "+word+" ") {
			return wire.Resume{}, false
		}
		r.Latest = word == "true" || word == "1"
	}
	return r, true
}

func after(n gateway.Seq) wire.Resume { return wire.Resume{After: n, HasAfter: true} }

// Each row is asked for in a subscribe, and in the query of /ws where that can
// say it.
func TestResume(t *testing.T) {
	long := strings.Repeat("e", 64)
	for _, c := range []struct {
		name, members, query string
		want                 wire.Resume
		message              string // of the refusal
	}{
		{"ok nothing", ``, "-", wire.Resume{}, ""},
		{"ok nothing yet", `,"after":0`, "after=0", after(0), ""},
		{"ok after", `,"after":41`, "after=41", after(41), ""},
		{"ok largest after", `,"after":9007199254740992`, "after=9007199254740992", after(1 << 53), ""},
		{"ok after and epoch", `,"after":41,"epoch":"3.AB"`, "after=41&epoch=3.AB", wire.Resume{After: 41, HasAfter: true, Epoch: "3.AB"}, ""},
		{"ok escaped epoch", `,"after":1,"epoch":"\u0065\n"`, "after=1&epoch=e%0A", wire.Resume{After: 1, HasAfter: true, Epoch: "e\n"}, ""},
		{"ok longest epoch", `,"after":1,"epoch":"` + long + `"`, "after=1&epoch=" + long, wire.Resume{After: 1, HasAfter: true, Epoch: gateway.Epoch(long)}, ""},
		{"ok latest", `,"latest":true`, "latest=1", wire.Resume{Latest: true}, ""},
		{"ok latest as a number", `,"latest":1`, "latest=true", wire.Resume{Latest: true}, ""},
		{"ok not latest", `,"latest":false`, "latest=0", wire.Resume{}, ""},
		{"ok not latest as a number", `,"latest":0`, "latest=false", wire.Resume{}, ""},
		{"ok everything", `,"latest":true,"epoch":"e","after":2`, "latest=1&epoch=e&after=2", wire.Resume{After: 2, HasAfter: true, Epoch: "e", Latest: true}, ""},
		{"bad epoch alone", `,"epoch":"e"`, "epoch=e", wire.Resume{}, "epoch says nothing without after"},
		{"bad epoch and latest", `,"epoch":"e","latest":true`, "epoch=e&latest=1", wire.Resume{}, "epoch says nothing without after"},
		{"bad after below 0", `,"after":-1`, "after=-1", wire.Resume{}, "after has to be a whole number"},
		{"bad after minus 0", `,"after":-0`, "after=-0", wire.Resume{}, "after has to be a whole number"},
		{"bad after with a fraction", `,"after":5.0`, "after=5.0", wire.Resume{}, "after has to be a whole number"},
		{"bad after with an exponent", `,"after":5e3`, "after=5e3", wire.Resume{}, "after has to be a whole number"},
		{"bad after above 2^53", `,"after":9007199254740993`, "after=9007199254740993", wire.Resume{}, "from 0 to 9007199254740992"},
		{"bad after beyond 64 bits", `,"after":18446744073709551617`, "after=18446744073709551617", wire.Resume{}, "after has to be a whole number"},
		{"bad after of many digits", `,"after":1` + strings.Repeat("0", 400), "after=1" + strings.Repeat("0", 400), wire.Resume{}, "after has to be a whole number"},
		{"bad after is a string", `,"after":"5"`, "after=%225%22", wire.Resume{}, "after has to be a whole number"},
		{"bad after is null", `,"after":null`, "after=null", wire.Resume{}, "after has to be a whole number"},
		{"bad after is empty", `,"after":""`, "after=", wire.Resume{}, "after has to be a whole number"},
		{"bad epoch is a number", `,"after":1,"epoch":5`, "-", wire.Resume{}, "epoch has to be a string"},
		{"bad epoch is null", `,"after":1,"epoch":null`, "-", wire.Resume{}, "epoch has to be a string"},
		{"bad epoch is empty", `,"after":1,"epoch":""`, "after=1&epoch=", wire.Resume{}, "epoch has 1 to 64 bytes"},
		{"bad epoch is too long", `,"after":1,"epoch":"` + long + `e"`, "after=1&epoch=e" + long, wire.Resume{}, "epoch has 1 to 64 bytes"},
		{"bad latest is a string", `,"latest":"true"`, "latest=yes", wire.Resume{}, "latest has to be true or false"},
		{"bad latest is 2", `,"latest":2`, "latest=2", wire.Resume{}, "latest has to be true or false"},
		{"bad latest is null", `,"latest":null`, "latest=", wire.Resume{}, "latest has to be true or false"},
		{"bad after twice", `,"after":1,"after":1`, "-", wire.Resume{}, `"after" is given twice`},
		{"bad epoch twice", `,"after":1,"epoch":"e","epoch":"e"`, "-", wire.Resume{}, `"epoch" is given twice`},
		{"bad latest twice", `,"latest":true,"latest":true`, "-", wire.Resume{}, `"latest" is given twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := wire.DecodeText([]byte(`{"type":"subscribe","room":"plant"` + c.members + `}`))
			checkResume(t, "the command", got.Resume, err, c.want, c.message)
			if string(got.Room) != "plant" {
				t.Errorf("the room became %q", got.Room)
			}
			if c.query != "-" {
				r, err := wire.ParseResume(queryOf(t, c.query))
				checkResume(t, "the query", r, err, c.want, c.message)
			}
		})
	}
}

func queryOf(t testing.TB, s string) url.Values {
	t.Helper()
	q, err := url.ParseQuery("room=plant&token=x&" + s)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func checkResume(t *testing.T, where string, got wire.Resume, err error, want wire.Resume, message string) {
	t.Helper()
	switch {
	case message == "" && err != nil:
		t.Errorf("%s: %v", where, err)
	case message != "" && (gateway.CodeOf(err) != gateway.CodeInvalidRequest || !strings.Contains(err.Error(), message)):
		t.Errorf("%s: error %v, want invalid_request with %q", where, err, message)
	case err == nil && got != want:
		t.Errorf("%s: %+v, want %+v", where, got, want)
	}
}

// FuzzParseResume holds the query of /ws to the rules, and to what a subscribe
// says of the same values.
func FuzzParseResume(f *testing.F) {
	f.Add("41", "3.AB", "1", uint8(7))
	f.Add("9007199254740993", "", "true", uint8(5))
	f.Add("", "e", "yes", uint8(2))
	digits := regexp.MustCompile(`^[0-9]+$`)
	f.Fuzz(func(t *testing.T, afterText, epoch, latest string, given uint8) {
		query, members := url.Values{}, `{"type":"subscribe","room":"r"`
		good := true
		if given&1 != 0 {
			query.Set("after", afterText)
			n, err := strconv.ParseUint(strings.TrimLeft(afterText, "0"), 10, 64)
			zero := strings.Trim(afterText, "0") == "" && afterText != ""
			good = good && digits.MatchString(afterText) && (zero || err == nil && n <= 1<<53)
			members += `,"after":` + strconv.FormatUint(n, 10)
		}
		if given&2 != 0 {
			query.Set("epoch", epoch)
			good = good && given&1 != 0 && len(epoch) >= 1 && len(epoch) <= 64
			members += `,"epoch":` + string(wire.AppendQuoted(nil, epoch))
		}
		if given&4 != 0 {
			query.Set("latest", latest)
			good = good && strings.Contains("|true|false|1|0|", "|"+latest+"|") && latest != "" && !strings.Contains(latest, "|")
			members += `,"latest":` + latest
		}
		got, err := wire.ParseResume(query)
		if (err == nil) != good {
			t.Fatalf("%v: %v, want good: %v", query, err, good)
		}
		if err != nil {
			if gateway.CodeOf(err) != gateway.CodeInvalidRequest || got != (wire.Resume{}) {
				t.Fatalf("%v: %v, %+v", query, err, got)
			}
			return
		}
		if !utf8.ValidString(epoch) {
			return
		}
		c, err := wire.DecodeText([]byte(members + "}"))
		if err != nil || c.Resume != got {
			t.Fatalf("%v is %+v, %s is %+v, %v", query, got, members, c.Resume, err)
		}
	})
}
