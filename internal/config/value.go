package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"edgegw/internal/gateway"
	"edgegw/internal/localca"
)

// values is a set of allowed values: how to read one, and the set in words.
type values[V any] struct {
	words string
	parse func(string) (V, error)
}

// number allows whole numbers from least to most; unit is their plural.
func number[V int | int64 | uint32 | uint8](least, most V, unit string) values[V] {
	words := fmt.Sprintf("%d to %d %s", least, most, unit)
	return values[V]{words, func(s string) (V, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is not a whole number; use %s", show(s), words)
		}
		if n < int64(least) || n > int64(most) {
			return 0, fmt.Errorf("%s is out of range; use %s", show(s), words)
		}
		return V(n), nil
	}}
}

// orZero allows 0 as well, which says what zero names.
func orZero[V int | int64](v values[V], zero string) values[V] {
	words := v.words + ", or 0 for " + zero
	return values[V]{words, func(s string) (V, error) {
		if s == "0" {
			return 0, nil
		}
		return v.parse(s)
	}}
}

const day = 24 * time.Hour

// span allows durations from least to most, at least a second, and 0 as well if
// zero says what that means.
func span(least, most time.Duration, zero string) values[time.Duration] {
	words := shortDuration(least) + " to " + shortDuration(most)
	if zero != "" {
		words += ", or 0 for " + zero
	}
	return values[time.Duration]{words, func(s string) (time.Duration, error) {
		d, err := parseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration such as 90s, 15m, 12h or 30d; use %s", show(s), words)
		}
		if (d < least || d > most) && (d != 0 || zero == "") {
			return 0, fmt.Errorf("%s is out of range; use %s", show(s), words)
		}
		return d, nil
	}}
}

// parseDuration reads what time.ParseDuration does, with days in front.
func parseDuration(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || rest == "" {
		return time.Duration(n) * day, err
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s is no duration", show(rest))
	}
	return time.Duration(n)*day + d, nil
}

// shortDuration writes whole days, hours, minutes or seconds without zeros.
func shortDuration(d time.Duration) string {
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// choice allows a few words.
func choice[V ~string](words ...V) values[V] {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	all := "one of " + strings.Join(names, ", ")
	return values[V]{all, func(s string) (V, error) {
		for _, w := range words {
			if s == string(w) {
				return w, nil
			}
		}
		return "", fmt.Errorf("%s is unknown; use %s", show(s), all)
	}}
}

// anyText allows any text, also none.
func anyText() values[string] {
	return values[string]{"", func(s string) (string, error) { return s, nil }}
}

// someText allows any text but none.
func someText() values[string] {
	return values[string]{"", func(s string) (string, error) {
		if s == "" {
			return "", fmt.Errorf("must not be empty; leave the option out to get its default")
		}
		return s, nil
	}}
}

func siteName() values[string] {
	const words = "1 to 64 of A-Z a-z 0-9 . _ -"
	return values[string]{words, func(s string) (string, error) {
		bad := strings.ContainsFunc(s, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
		})
		if bad || s == "" || len(s) > 64 {
			return "", fmt.Errorf("%s is no site name; use %s", show(s), words)
		}
		return s, nil
	}}
}

// address allows host:port. With optional, also nothing.
func address(optional bool) values[string] {
	words := "HOST:PORT, for example 127.0.0.1:8080, :8080 or [::1]:8080"
	return values[string]{words, func(s string) (string, error) {
		if s == "" && optional {
			return "", nil
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil || strings.ContainsAny(host, "/ ") {
			return "", fmt.Errorf("%s is no address; use %s", show(s), words)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", fmt.Errorf("%s has no port from 0 to 65535; use %s", show(s), words)
		}
		return s, nil
	}}
}

func logLevel() values[slog.Level] {
	v := choice("debug", "info", "warn", "error")
	return values[slog.Level]{v.words, func(s string) (level slog.Level, err error) {
		if _, err = v.parse(s); err == nil {
			err = level.UnmarshalText([]byte(s))
		}
		return level, err
	}}
}

// hostName allows DNS names, which it brings into lower case, and addresses.
func hostName() values[string] {
	const words = "DNS names such as gw.example.net and addresses, each by itself: no ports, no wildcards"
	return values[string]{words, func(s string) (string, error) {
		var n localca.Names
		if !n.ParseName(s) {
			return "", fmt.Errorf("%s is no name; use %s", show(s), words)
		}
		return n.Strings()[0], nil
	}}
}

// prefix allows networks in CIDR form and single addresses.
func prefix() values[netip.Prefix] {
	const words = "networks such as 10.0.0.0/8 or fd00::/8, and single addresses"
	return values[netip.Prefix]{words, func(s string) (netip.Prefix, error) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(s); err == nil {
				a = a.Unmap().WithZone("")
				p = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%s is no network; use %s", show(s), words)
		}
		return p.Masked(), nil
	}}
}

// webOrigin allows web origins (RFC 6454) and brings them into the form in which
// browsers send them.
func webOrigin() values[string] {
	const words = "SCHEME://HOST or SCHEME://HOST:PORT, each by itself: no wildcards, no path"
	return values[string]{words, func(s string) (string, error) {
		o := strings.ToLower(s)
		scheme, authority, ok := strings.Cut(o, "://")
		if !ok || !plainLabel(scheme) || authority == "" || strings.ContainsAny(authority, "/?#@*, \"\\") {
			return "", fmt.Errorf("%s is no origin; use %s", show(s), words)
		}
		if host, port, err := net.SplitHostPort(authority); err == nil {
			if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" {
				return "", fmt.Errorf("%s is no origin; use %s", show(s), words)
			}
			if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
				o = strings.TrimSuffix(o, ":"+port)
			}
		} else if strings.Contains(strings.Trim(authority, "[]"), ":") && authority[0] != '[' {
			return "", fmt.Errorf("%s is no origin; use %s", show(s), words)
		}
		return o, nil
	}}
}

// plainLabel reports whether s is a URI scheme in lower case.
func plainLabel(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || strings.ContainsRune("+-.", r))) {
			return false
		}
	}
	return s != ""
}

func grant() values[gateway.Grant] {
	return values[gateway.Grant]{"PATTERN:RIGHTS with rights r, w or rw", gateway.ParseGrant}
}

func roomPattern() values[string] {
	return values[string]{"a room id in which * stands for any run of characters", func(s string) (string, error) {
		return s, gateway.CheckRoomPattern(s)
	}}
}

// show quotes a value for a message, cut to a length that a line can hold.
func show(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}

// printable refuses what no option can hold and no TOML string could show.
// shown gives what of it the message may show.
func printable(s string, shown func(string) string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s holds control characters or broken UTF-8; write it on one line as plain text", show(shown(s)))
	}
	return nil
}
