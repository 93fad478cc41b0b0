package gatewaytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"edgegw/internal/adminsock"
)

// Stage is a gateway that conversations are played on, one after the other or
// several at once.
type Stage struct {
	gateway *Gateway

	mu       sync.Mutex
	accounts map[string]bool
}

// Stage makes a stage of the gateway.
func (g *Gateway) Stage() *Stage {
	return &Stage{gateway: g, accounts: map[string]bool{"admin": true}}
}

// play is a conversation under way.
type play struct {
	*Stage
	script  *Conversation
	talkers map[string]*talker
	names   names
}

// Play plays a conversation, and returns an error that names the first step that
// goes another way.
func (s *Stage) Play(c *Conversation) error {
	p := &play{Stage: s, script: c, talkers: map[string]*talker{}, names: names{}}
	defer func() {
		for _, c := range p.talkers {
			c.drop()
		}
	}()
	for i := range c.Steps {
		if err := p.step(&c.Steps[i]); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return p.quiet()
}

// quietTime is how long nothing may come behind the last step: as long as a frame
// may need that the gateway sends on a goroutine of its own.
const quietTime = 100 * time.Millisecond

// quiet fails when a frame came that no step expects.
func (p *play) quiet() error {
	time.Sleep(quietTime)
	for name, c := range p.talkers {
		f, err := c.next(0)
		var closed *CloseError
		if err == nil || errors.As(err, &closed) && !c.over {
			return fmt.Errorf("behind the last step: on %s there came %q %v", name, f.Payload, closed)
		}
	}
	return nil
}

func (p *play) step(s *step) error {
	if s.Connect != "" {
		return p.connect(s)
	}
	if s.HTTP != nil {
		return p.http(s.HTTP)
	}
	c := p.talkers[s.On]
	if c == nil {
		return fmt.Errorf("there is no connection %s", s.On)
	}
	switch {
	case s.Send != nil:
		return p.send(c, s)
	case s.SendText != nil:
		c.socket.Send(*s.SendText)
	case s.SendBase64 != nil:
		c.socket.SendBinary(*s.SendBase64)
	case s.Close != 0:
		return c.sayClose(s.Close)
	case s.Drop:
		c.drop()
	case s.StopReading, s.ReadAgain:
		c.read(s.ReadAgain)
	default:
		return p.expected(c, s)
	}
	return nil
}

// token makes a fresh token of the account, which is made itself if need be.
func (p *play) token(account string, seconds int) (string, error) {
	if err := p.ensure(account, p.script.Accounts[account]); err != nil {
		return "", err
	}
	exp := strconv.FormatInt(time.Now().Add(time.Duration(seconds)*time.Second).Unix(), 10)
	return p.gateway.Sign(`{"sub":"` + account + `","exp":` + exp + `}`), nil
}

func (s *Stage) ensure(account string, grants []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if account == "" || s.accounts[account] {
		return nil
	}
	if grants == nil {
		grants = []string{"*:rw"}
	}
	admin, err := adminsock.Dial(s.gateway.t.Context(), s.gateway.Dir)
	if err != nil {
		return err
	}
	s.accounts[account] = true
	return admin.AddUser(s.gateway.t.Context(), adminsock.NewUser{Name: account, Password: Password, Grants: grants})
}

func (p *play) connect(s *step) error {
	if old := p.talkers[s.Connect]; old != nil {
		old.drop()
	}
	seconds := 3600
	if s.TTL != nil {
		seconds = *s.TTL
	}
	token, err := p.token(s.As, seconds)
	if err != nil {
		return err
	}
	query, err := p.names.text(s.Query)
	if err != nil {
		return err
	}
	c, a, err := p.gateway.join(query, token)
	switch {
	case err != nil:
		return err
	case c != nil && s.Status != 0:
		c.drop()
		return errors.New("it was let in")
	case c != nil:
		p.talkers[s.Connect] = c
	case a.Status != s.Status || a.Code() != s.Code:
		return fmt.Errorf("it was refused with %d %s", a.Status, a.Body)
	}
	return nil
}

func (p *play) send(c *talker, s *step) error {
	template, err := parse(s.Send)
	if err != nil {
		return err
	}
	for n := range max(1, s.Repeat) {
		if s.Repeat > 0 {
			p.names["n"] = json.Number(strconv.Itoa(n + 1))
		}
		frame, err := p.filled(template)
		if err != nil {
			return err
		}
		c.socket.Send(string(frame))
		if s.Then != nil {
			if err := p.step(s.Then); err != nil {
				return fmt.Errorf("frame %d: %w", n+1, err)
			}
		}
	}
	delete(p.names, "n")
	return nil
}

func (p *play) filled(template any) ([]byte, error) {
	var failed error
	v, err := p.names.fill(template, func(account string, seconds int) string {
		token, err := p.token(account, seconds)
		failed = errors.Join(failed, err)
		return token
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func (p *play) http(q *request) error {
	token := ""
	if q.As != "" {
		var err error
		if token, err = p.token(q.As, 3600); err != nil {
			return err
		}
	}
	path, err := p.names.text(q.Path)
	if err != nil {
		return err
	}
	var body any
	if q.Body != nil {
		template, err := parse(q.Body)
		if err != nil {
			return err
		}
		b, err := p.filled(template)
		if err != nil {
			return err
		}
		body = string(b)
	}
	a, err := p.gateway.Try(q.Method, path, token, body)
	if err != nil || a.Status != q.Status {
		return fmt.Errorf("%s %s: %d %s %v", q.Method, path, a.Status, a.Body, err)
	}
	if q.Answer == nil {
		return nil
	}
	want, errWant := parse(q.Answer)
	have, errHave := parse(a.Body)
	w, _ := want.(map[string]any)
	h, isObject := have.(map[string]any)
	if err := errors.Join(errWant, errHave); err != nil || !isObject {
		return fmt.Errorf("%s %s: %s %v", q.Method, path, a.Body, err)
	}
	if err := p.names.object(w, h, true); err != nil {
		return fmt.Errorf("%s %s: %s: %w", q.Method, path, a.Body, err)
	}
	return nil
}
