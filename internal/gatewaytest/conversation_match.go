package gatewaytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// names are what a conversation's placeholders stand for.
type names map[string]any

// parse reads JSON and keeps numbers as they are written.
func parse(b []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// placeholder returns what stands between the braces of a string that is one
// placeholder and nothing else.
func placeholder(v any) (name string, ok bool) {
	s, _ := v.(string)
	if !strings.HasPrefix(s, "${") || !strings.HasSuffix(s, "}") {
		return "", false
	}
	return s[2 : len(s)-1], true
}

// match compares what came with what a script expects. What it learns of names
// counts only if all of it matches.
func (n names) match(want, have any) error {
	learned := maps.Clone(n)
	if err := learned.value(want, have); err != nil {
		return err
	}
	maps.Copy(n, learned)
	return nil
}

func (n names) value(want, have any) error {
	if name, ok := placeholder(want); ok {
		return n.named(name, have)
	}
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no object", have)
		}
		return n.object(w, h, false)
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return fmt.Errorf("%v is no list of %d", have, len(w))
		}
		for i := range w {
			if err := n.value(w[i], h[i]); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	}
	if !same(want, have) {
		return fmt.Errorf("%v instead of %v", have, want)
	}
	return nil
}

// object compares members; have may have others with more.
func (n names) object(want, have map[string]any, more bool) error {
	for member, w := range want {
		h, has := have[member]
		if !has {
			if w == "${?}" {
				continue
			}
			return fmt.Errorf("%s is missing", member)
		}
		if err := n.value(w, h); err != nil {
			return fmt.Errorf("%s: %w", member, err)
		}
	}
	for member := range have {
		if _, wanted := want[member]; !wanted && !more {
			return fmt.Errorf("%s was not expected", member)
		}
	}
	return nil
}

func (n names) named(name string, have any) error {
	if name == "*" || name == "?" {
		return nil
	}
	if but, ok := strings.CutPrefix(name, "!"); ok {
		if known, bound := n[but]; !bound || same(known, have) {
			return fmt.Errorf("%v is not to be %v", have, known)
		}
		return nil
	}
	known, bound := n[name]
	switch {
	case !bound && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "":
		return errors.New("there is no placeholder " + name)
	case !bound:
		n[name] = have
	case !same(known, have):
		return fmt.Errorf("%v instead of %s, which is %v", have, name, known)
	}
	return nil
}

// same compares values that came from JSON: numbers by what they are worth.
func same(a, b any) bool {
	x, numberA := a.(json.Number)
	y, numberB := b.(json.Number)
	if numberA && numberB {
		p, okA := new(big.Rat).SetString(x.String())
		q, okB := new(big.Rat).SetString(y.String())
		return okA && okB && p.Cmp(q) == 0
	}
	i, errA := json.Marshal(a)
	j, errB := json.Marshal(b)
	return numberA == numberB && errA == nil && errB == nil && bytes.Equal(i, j)
}

// fill puts values in the place of the placeholders of what is sent.
func (n names) fill(v any, sign func(account string, seconds int) string) (any, error) {
	if name, ok := placeholder(v); ok {
		return n.stands(name, sign)
	}
	switch w := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(w))
		for member, value := range w {
			filled, err := n.fill(value, sign)
			if err != nil {
				return nil, err
			}
			out[member] = filled
		}
		return out, nil
	case []any:
		out := make([]any, len(w))
		for i, value := range w {
			filled, err := n.fill(value, sign)
			if err != nil {
				return nil, err
			}
			out[i] = filled
		}
		return out, nil
	}
	return v, nil
}

// stands returns what a placeholder stands for that is sent.
func (n names) stands(name string, sign func(account string, seconds int) string) (any, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch kind {
	case "token":
		account, seconds, _ := strings.Cut(rest, ":")
		s, err := strconv.Atoi(seconds)
		return sign(account, s), err
	case "fill":
		count, err := strconv.Atoi(rest)
		return strings.Repeat("x", max(0, count)), err
	}
	if v, bound := n[name]; bound {
		return v, nil
	}
	return nil, errors.New("nothing is known of ${" + name + "}")
}

var inText = regexp.MustCompile(`\$\{[^}]*\}`)

// text puts values in the place of the placeholders inside a query or a path.
func (n names) text(s string) (out string, err error) {
	out = inText.ReplaceAllStringFunc(s, func(p string) string {
		v, e := n.stands(p[2:len(p)-1], func(string, int) string { return "" })
		if e != nil {
			err = e
		}
		return url.QueryEscape(fmt.Sprint(v))
	})
	return out, err
}
