package gatewaytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"
)

// Conversation is one case of testdata/protocol/conversation-*.json, whose
// README.md says what its members mean.
type Conversation struct {
	Name     string              `json:"name"`
	Section  string              `json:"section"`
	Options  map[string]string   `json:"options"`
	Accounts map[string][]string `json:"accounts"`
	Steps    []step              `json:"steps"`
}

// step has the members of every kind of step.
type step struct {
	Connect string `json:"connect"`
	As      string `json:"as"`
	Query   string `json:"query"`
	TTL     *int   `json:"token_ttl_s"`
	Status  int    `json:"status"`
	Code    string `json:"code"`

	On         string          `json:"on"`
	Send       json.RawMessage `json:"send"`
	SendText   *string         `json:"send_text"`
	SendBase64 *[]byte         `json:"send_base64"`
	Repeat     int             `json:"repeat"`
	Then       *step           `json:"then"`

	Expect       json.RawMessage   `json:"expect"`
	AnyOrder     []json.RawMessage `json:"expect_any_order"`
	Run          json.RawMessage   `json:"expect_run"`
	First        int               `json:"first"`
	Last         int               `json:"last"`
	ExpectText   *string           `json:"expect_text"`
	ExpectBase64 *[]byte           `json:"expect_base64"`
	ExpectClose  *struct {
		Code int    `json:"code"`
		Name string `json:"name"`
	} `json:"expect_close"`
	Skip     []string `json:"skip"`
	WithinMS int      `json:"within_ms"`

	Close       int      `json:"close"`
	Drop        bool     `json:"drop"`
	StopReading bool     `json:"stop_reading"`
	ReadAgain   bool     `json:"read_again"`
	HTTP        *request `json:"http"`
}

type request struct {
	As     string          `json:"as"`
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer"`
}

// Conversations reads a file of scripts. A member that has no meaning here fails
// the test, so that no script is half understood.
func Conversations(t testing.TB, file string) []Conversation {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := readConversations(b)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return cases
}

func readConversations(b []byte) (cases []Conversation, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cases); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something stands behind the cases")
	}
	names := map[string]bool{}
	for _, c := range cases {
		if c.Name == "" || names[c.Name] || len(c.Steps) == 0 {
			return nil, errors.New("a case has no name, no name of its own, or no steps: " + c.Name)
		}
		names[c.Name] = true
		for i := range c.Steps {
			if err := c.Steps[i].check(); err != nil {
				return nil, errors.New(c.Name + ": " + err.Error())
			}
		}
	}
	return cases, nil
}

// check refuses a step that is of two kinds, or has a member of another kind.
func (s *step) check() error {
	kinds := 0
	for _, is := range []bool{
		s.Connect != "", s.Send != nil, s.SendText != nil, s.SendBase64 != nil, s.Expect != nil, s.AnyOrder != nil, s.Run != nil,
		s.ExpectText != nil, s.ExpectBase64 != nil, s.ExpectClose != nil, s.Close != 0, s.Drop, s.StopReading, s.ReadAgain, s.HTTP != nil,
	} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("a step does one thing")
	case (s.On == "") != (s.Connect != "" || s.HTTP != nil),
		s.Connect == "" && (s.As != "" || s.Query != "" || s.TTL != nil || s.Status != 0 || s.Code != ""),
		s.Send == nil && s.Repeat != 0, s.Repeat == 0 && s.Then != nil,
		s.Expect == nil && s.ExpectClose == nil && (s.Skip != nil || s.WithinMS != 0),
		s.Run == nil && (s.First != 0 || s.Last != 0):
		return errors.New("a step has a member of another kind of step")
	case s.Then != nil && s.Then.Expect == nil:
		return errors.New("then is an expect")
	case s.Then != nil:
		return s.Then.check()
	}
	return nil
}
