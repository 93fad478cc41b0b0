package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ellipsis stands for the part of an address that is not shown.
const ellipsis = "…"

// webhookURL allows the address of a webhook, or nothing. Paths and queries of
// webhooks are often their only secret, so no message shows them.
func webhookURL() values[string] {
	const words = "an http:// or https:// address"
	return values[string]{words, func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		if strings.HasSuffix(s, "/"+ellipsis) {
			return "", errors.New("this is the address as it is shown, without the part that may be secret; write all of it")
		}
		u := parseURL(s)
		switch {
		case u == nil || u.Scheme != "http" && u.Scheme != "https" || strings.Contains(s, " "):
			return "", fmt.Errorf("%s is no address of a webhook; use %s such as https://relay.example.com/reset", show(maskURL(s)), words)
		case u.User != nil:
			return "", fmt.Errorf("%s has a user or password in front of its host; leave them out and let the path or the query hold the secret", show(maskURL(s)))
		case strings.Contains(s, "#"):
			return "", fmt.Errorf("%s has a # with something behind it, which no server gets to see; leave it out", show(maskURL(s)))
		}
		return s, nil
	}}
}

// maskURL gives what may be shown of an address: the scheme and the host. All of
// it is shown when it has no more than those, and nothing of what is no address.
func maskURL(s string) string {
	if s == "" {
		return ""
	}
	u := parseURL(s)
	if u == nil {
		return ellipsis
	}
	plain := u.Scheme + "://" + u.Host
	if strings.EqualFold(s, plain) || strings.EqualFold(s, plain+"/") {
		return s
	}
	return plain + "/" + ellipsis
}

// parseURL gives an absolute URL with a plain host, or nil.
func parseURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.ContainsFunc(u.Host, oddInHost) {
		return nil
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil
		}
	}
	return u
}

// oddInHost finds what url.Parse lets into a host and no host has, such as the
// rest of an address in which the slash was forgotten.
func oddInHost(r rune) bool {
	return r < 0x80 && !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_:[]", r))
}
