package gatewaytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// expected takes what a step expects.
func (p *play) expected(c *talker, s *step) error {
	within := patience
	if s.WithinMS != 0 {
		within = time.Duration(s.WithinMS) * time.Millisecond
	}
	switch {
	case s.ExpectText != nil:
		return exactly(c, 0x1, []byte(*s.ExpectText))
	case s.ExpectBase64 != nil:
		return exactly(c, 0x2, *s.ExpectBase64)
	case s.AnyOrder != nil:
		return p.anyOrder(c, s.AnyOrder)
	case s.Run != nil:
		for n := s.First; n <= s.Last; n++ {
			p.names["n"] = json.Number(strconv.Itoa(n))
			if err := p.frame(c, s.Run, nil, within); err != nil {
				return fmt.Errorf("frame %d: %w", n, err)
			}
		}
		delete(p.names, "n")
		return nil
	case s.ExpectClose != nil:
		return p.close(c, s, within)
	}
	return p.frame(c, s.Expect, s.Skip, within)
}

func exactly(c *talker, opcode byte, payload []byte) error {
	f, err := c.next(patience)
	if err != nil || f.Opcode != opcode || string(f.Payload) != string(payload) {
		return fmt.Errorf("there came %d %q, %v", f.Opcode, f.Payload, err)
	}
	return nil
}

// object takes the next frame, which has to be JSON in text.
func object(c *talker, within time.Duration) (map[string]any, error) {
	f, err := c.next(within)
	if err != nil {
		return nil, err
	}
	v, err := parse(f.Payload)
	m, ok := v.(map[string]any)
	if err != nil || !ok || f.Opcode != 0x1 {
		return nil, fmt.Errorf("there came %d %q", f.Opcode, f.Payload)
	}
	return m, nil
}

func (p *play) frame(c *talker, want json.RawMessage, skip []string, within time.Duration) error {
	w, err := parse(want)
	if err != nil {
		return err
	}
	until := time.Now().Add(within)
	for {
		have, err := object(c, max(0, time.Until(until)))
		if err != nil {
			return fmt.Errorf("expecting %s: %w", want, err)
		}
		err = p.names.match(w, have)
		if err == nil {
			return nil
		}
		if typ, _ := have["type"].(string); !slices.Contains(skip, typ) {
			return fmt.Errorf("expecting %s: there came %v: %w", want, have, err)
		}
	}
}

// anyOrder takes as many frames as there are wanted, and matches each with the
// first that it can be.
func (p *play) anyOrder(c *talker, want []json.RawMessage) error {
	left := slices.Clone(want)
	for len(left) > 0 {
		have, err := object(c, patience)
		if err != nil {
			return fmt.Errorf("expecting %s: %w", left, err)
		}
		i := slices.IndexFunc(left, func(w json.RawMessage) bool {
			v, err := parse(w)
			return err == nil && p.names.match(v, have) == nil
		})
		if i < 0 {
			return fmt.Errorf("expecting %s: there came %v", left, have)
		}
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

func (p *play) close(c *talker, s *step, within time.Duration) error {
	until := time.Now().Add(within)
	for {
		have, err := object(c, max(0, time.Until(until)))
		var closed *CloseError
		switch {
		case errors.As(err, &closed):
			if closed.Code != s.ExpectClose.Code || !strings.HasPrefix(closed.Reason, s.ExpectClose.Name) {
				return fmt.Errorf("it ended with %w", closed)
			}
			c.drop()
			return nil
		case err != nil:
			return err
		}
		if typ, _ := have["type"].(string); !slices.Contains(s.Skip, typ) {
			return fmt.Errorf("expecting the close %d: there came %v", s.ExpectClose.Code, have)
		}
	}
}
