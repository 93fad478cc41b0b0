package wire_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// conversation is a script, as the README.md of the vectors has it. What is
// checked here is that it says what it means; internal/gatewaytest plays it.
type conversation struct {
	Name     string              `json:"name"`
	Section  string              `json:"section"`
	Options  map[string]string   `json:"options"`
	Accounts map[string][]string `json:"accounts"`
	Steps    []step              `json:"steps"`
}

type step struct {
	Connect *string       `json:"connect"`
	As      string        `json:"as"`
	Query   string        `json:"query"`
	TTL     *int          `json:"token_ttl_s"`
	Status  int           `json:"status"`
	Code    *gateway.Code `json:"code"`

	On         string          `json:"on"`
	Send       json.RawMessage `json:"send"`
	SendText   *string         `json:"send_text"`
	SendBase64 *string         `json:"send_base64"`
	Repeat     int             `json:"repeat"`
	Then       *step           `json:"then"`

	Expect       json.RawMessage   `json:"expect"`
	AnyOrder     []json.RawMessage `json:"expect_any_order"`
	Run          json.RawMessage   `json:"expect_run"`
	First        int               `json:"first"`
	Last         int               `json:"last"`
	ExpectText   *string           `json:"expect_text"`
	ExpectBase64 *string           `json:"expect_base64"`
	ExpectClose  *struct {
		Code wire.CloseCode `json:"code"`
		Name string         `json:"name"`
	} `json:"expect_close"`
	Skip     []string `json:"skip"`
	WithinMS int      `json:"within_ms"`

	Close       wire.CloseCode `json:"close"`
	Drop        bool           `json:"drop"`
	StopReading bool           `json:"stop_reading"`
	ReadAgain   bool           `json:"read_again"`
	HTTP        *request       `json:"http"`
}

type request struct {
	As     string                     `json:"as"`
	Method string                     `json:"method"`
	Path   string                     `json:"path"`
	Body   json.RawMessage            `json:"body"`
	Status int                        `json:"status"`
	Answer map[string]json.RawMessage `json:"answer"`
}

// reading is what a reader of a script knows at a step.
type reading struct {
	open, bound map[string]bool
	frames      map[string]bool // the types that were expected
	rooms       map[string]bool
}

func TestConversations(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectorDir, "conversation-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	frames, sent := make(map[string]bool), make(map[string]bool)
	rooms, accounts := make(map[string]string), make(map[string]string)
	for _, file := range files {
		file = filepath.Base(file)
		for _, c := range vectors[conversation](t, file) {
			t.Run(strings.TrimSuffix(file, ".json")+"/"+c.Name, func(t *testing.T) {
				r := reading{open: make(map[string]bool), bound: make(map[string]bool), frames: frames, rooms: make(map[string]bool)}
				if c.Section == "" || len(c.Steps) == 0 {
					t.Error("a conversation has a section and steps")
				}
				for i := range c.Steps {
					if err := r.step(&c.Steps[i], sent); err != nil {
						t.Errorf("step %d: %v", i+1, err)
					}
				}
				own := file + " " + c.Name
				for room := range r.rooms {
					if other := rooms[room]; other != "" {
						t.Errorf("the room %s belongs to %s", room, other)
					}
					rooms[room] = own
				}
				for name, grants := range c.Accounts {
					if other := accounts[name]; other != "" || len(grants) == 0 {
						t.Errorf("the account %s has no grants, or belongs to %s", name, other)
					}
					accounts[name] = own
				}
			})
		}
	}
	for typ := range memberTable {
		if !frames[typ] {
			t.Errorf("no conversation expects the frame %s", typ)
		}
	}
	for typ := range commandTypes {
		if !sent[typ] {
			t.Errorf("no conversation sends the command %s", typ)
		}
	}
}

func (r *reading) step(s *step, sent map[string]bool) error {
	actions := 0
	for _, has := range []bool{
		s.Connect != nil, s.Send != nil, s.SendText != nil, s.SendBase64 != nil, s.Expect != nil, s.AnyOrder != nil, s.Run != nil,
		s.ExpectText != nil, s.ExpectBase64 != nil, s.ExpectClose != nil, s.Close != 0, s.Drop, s.StopReading, s.ReadAgain, s.HTTP != nil,
	} {
		if has {
			actions++
		}
	}
	onConnection := s.Connect == nil && s.HTTP == nil
	switch {
	case actions != 1:
		return errors.New("a step does one thing")
	case onConnection != (s.On != "") || onConnection && !r.open[s.On]:
		return errors.New("it is about no connection that is open")
	case (s.As != "" || s.Query != "" || s.TTL != nil || s.Status != 0 || s.Code != nil) && s.Connect == nil,
		(s.Repeat != 0 || s.Then != nil) && s.Send == nil, s.Then != nil && s.Repeat == 0,
		(s.Skip != nil || s.WithinMS != 0) && s.Expect == nil && s.ExpectClose == nil,
		(s.First != 0 || s.Last != 0) != (s.Run != nil) || s.Last < s.First:
		return errors.New("it has a member that belongs to another kind of step")
	}
	for _, typ := range s.Skip {
		if _, known := memberTable[typ]; !known {
			return errors.New("it skips frames that do not exist: " + typ)
		}
	}
	return r.action(s, sent)
}

func (r *reading) action(s *step, sent map[string]bool) error {
	switch {
	case s.Connect != nil:
		return r.connect(s)
	case s.Send != nil:
		return r.send(s, sent)
	case s.Expect != nil:
		return r.expect(s.Expect)
	case s.Run != nil:
		return r.expect(s.Run)
	case s.AnyOrder != nil:
		for _, frame := range s.AnyOrder {
			if err := r.expect(frame); err != nil {
				return err
			}
		}
	case s.ExpectClose != nil:
		delete(r.open, s.On)
		if s.ExpectClose.Code.Name() != s.ExpectClose.Name || s.ExpectClose.Name == "" {
			return errors.New("there is no such close code, or not of that name")
		}
	case s.Drop, s.Close != 0:
		delete(r.open, s.On)
	case s.HTTP != nil:
		return r.http(s.HTTP)
	}
	return nil
}

var placeholders = regexp.MustCompile(`\$\{([^}]*)\}`)

// uses checks the placeholders of what is sent.
func (r *reading) uses(s string) error {
	for _, m := range placeholders.FindAllStringSubmatch(s, -1) {
		name, argument, _ := strings.Cut(m[1], ":")
		_, err := strconv.Atoi(argument[strings.LastIndexByte(argument, ':')+1:])
		if name != "n" && !r.bound[name] && (name != "token" && name != "fill" || err != nil) {
			return errors.New("nothing is known of " + m[0])
		}
	}
	return nil
}

func (r *reading) connect(s *step) error {
	if *s.Connect == "" || r.open[*s.Connect] || s.As == "" || (s.Status != 0) != (s.Code != nil) {
		return errors.New("it has no name, no account, or a status without code")
	}
	if s.Status == 0 {
		r.open[*s.Connect] = true
	} else if !slices.Contains(gateway.Codes, *s.Code) {
		return errors.New("there is no such error code")
	}
	room, ok := strings.CutPrefix(s.Query, "?room=")
	if room, _, _ = strings.Cut(room, "&"); !ok {
		return errors.New("it names no room")
	}
	r.rooms[room] = true
	return r.uses(s.Query)
}

func (r *reading) send(s *step, sent map[string]bool) error {
	var m struct{ Type, Room string }
	if err := json.Unmarshal(s.Send, &m); err != nil {
		return err
	}
	sent[m.Type] = true
	if m.Room != "" {
		r.rooms[m.Room] = true
	}
	if s.Then != nil {
		if s.Then.Expect == nil {
			return errors.New("what follows each frame is an expect")
		}
		if err := r.step(s.Then, sent); err != nil {
			return err
		}
	}
	return r.uses(string(s.Send))
}

// expect checks that the gateway could send the frame: that it has no other
// members than its kind, and those always.
func (r *reading) expect(frame json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(frame, &members); err != nil {
		return err
	}
	typ, _ := isString(members["type"])
	needs, known := memberTable[typ]
	if !known {
		return errors.New("there is no frame " + typ)
	}
	r.frames[typ] = true
	for _, name := range strings.Fields(needs) {
		must := strings.TrimSuffix(name, "?")
		if _, has := members[must]; !has && must == name {
			return errors.New("a " + typ + " has the member " + name)
		}
		delete(members, must)
	}
	delete(members, "type")
	for name := range members {
		return errors.New("a " + typ + " has no member " + name)
	}
	for _, m := range placeholders.FindAllStringSubmatch(string(frame), -1) {
		switch name := m[1]; {
		case name == "*" || name == "?" || name == "n":
		case strings.HasPrefix(name, "!"):
			if !r.bound[name[1:]] {
				return errors.New("nothing is known of " + m[0])
			}
		case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" || name == "":
			return errors.New("a placeholder cannot be called " + m[0])
		default:
			r.bound[name] = true
		}
	}
	return nil
}

func (r *reading) http(q *request) error {
	if q.Method == "" || !strings.HasPrefix(q.Path, "/") || q.Status == 0 {
		return errors.New("a request has method, path and status")
	}
	if room, ok := strings.CutPrefix(q.Path, "/rooms/"); ok {
		room, _, _ = strings.Cut(room, "/")
		r.rooms[room] = true
	}
	return r.uses(q.Path + string(q.Body))
}
