package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// What people knows.
const (
	adminToken  = "admin-token"
	memberToken = "member-token"
	goodRefresh = "refresh-1"
	session1    = gateway.SessionID("0123456789012345678901")
	session2    = gateway.SessionID("abcdefghijklmnopqrst-_")
)

// people are accounts with few answers, which they give to anyone who asks
// rightly. They note what they were asked to do, and as whom.
type people struct {
	setUp bool
	calls []string
	// fail is what every change returns, if anything.
	fail error
	// archiveFails takes the place of an archive.
	archiveFails func(io.Writer) error
}

func (p *people) did(ctx context.Context, format string, args ...any) error {
	p.calls = append(p.calls, gateway.OriginOf(ctx).Actor+": "+fmt.Sprintf(format, args...))
	return p.fail
}

func (p *people) HasAdmin() bool { return p.setUp }

func (*people) Authenticate(_ context.Context, raw string) (accounts.Identity, error) {
	id := accounts.Identity{Session: session1, ExpiresAt: time.Now().Add(time.Minute)}
	switch raw {
	case "panic":
		panic("boom")
	case adminToken:
		id.Principal = gateway.Principal{Name: "root", Kind: gateway.KindUser, Role: gateway.RoleAdmin}
	case memberToken:
		id.Principal = gateway.Principal{
			Name: "ann", Kind: gateway.KindUser, Role: gateway.RoleMember,
			Grants: gateway.Grants{{Pattern: "plant.*", Rights: gateway.RightRead}},
		}
	default:
		return id, gateway.Errorf(gateway.CodeInvalidToken, "no")
	}
	return id, nil
}

func pair() accounts.Pair {
	return accounts.Pair{
		Access: "access-2", AccessTTL: 15 * time.Minute, Refresh: "refresh-2", RefreshTTL: 30 * 24 * time.Hour,
		Principal: gateway.Principal{Name: "ann", Kind: gateway.KindUser, Role: gateway.RoleMember},
	}
}

func (p *people) SetUp(ctx context.Context, code, username, password string) (accounts.Pair, error) {
	if p.setUp {
		return accounts.Pair{}, gateway.Errorf(gateway.CodeConflict, "no")
	}
	return pair(), p.did(ctx, "set up by %s as %s with %s", code, username, password)
}

func (p *people) Login(ctx context.Context, username, password, room string) (accounts.Pair, error) {
	if password != "right" {
		return accounts.Pair{}, gateway.Errorf(gateway.CodeInvalidCredentials, "no")
	}
	return pair(), p.did(ctx, "login %s %s", username, room)
}

func (p *people) LoginDevice(ctx context.Context, key, room string) (accounts.Pair, error) {
	return pair(), p.did(ctx, "device %s %s", key, room)
}

func (p *people) Refresh(ctx context.Context, raw string) (accounts.Pair, error) {
	if raw != goodRefresh {
		return accounts.Pair{}, gateway.Errorf(gateway.CodeTokenReused, "no")
	}
	return pair(), p.did(ctx, "refresh")
}

func (p *people) Logout(ctx context.Context, id accounts.Identity) error {
	return p.did(ctx, "logout %s", id.Session)
}

func (p *people) LogoutRefresh(ctx context.Context, raw string) error {
	return p.did(ctx, "logout by %s", raw)
}

func (*people) Sessions(context.Context, accounts.Identity) ([]gateway.Session, error) {
	return []gateway.Session{
		{ID: session1, Created: 1, Used: 3, IP: "192.0.2.1"},
		{ID: session2, Created: 1, Used: 2, IP: "192.0.2.2"},
	}, nil
}

func (p *people) EndSession(ctx context.Context, _ accounts.Identity, s gateway.SessionID) error {
	return p.did(ctx, "end %s", s)
}

func (p *people) ChangePassword(ctx context.Context, id accounts.Identity, current, new string) error {
	return p.did(ctx, "password of %s from %s to %s", id.Principal.Name, current, new)
}

func (p *people) RequestReset(ctx context.Context, username string) error {
	return p.did(ctx, "reset asked by %s", username)
}

func (p *people) ConfirmReset(ctx context.Context, code, newPassword string) error {
	return p.did(ctx, "reset %s to %s", code, newPassword)
}

func user(name gateway.AccountName) accounts.User {
	return accounts.User{Account: gateway.Account{Name: name, Kind: gateway.KindUser, Role: gateway.RoleMember, Created: 1}}
}

func (*people) Users(context.Context) ([]accounts.User, error) {
	bob := user("bob")
	bob.Grants = gateway.Grants{{Pattern: "*", Rights: gateway.RightRead | gateway.RightWrite}}
	bob.Legacy, bob.LockedFor, bob.ResetRequested = true, time.Minute, 7
	return []accounts.User{user("ann"), bob}, nil
}

func (*people) User(_ context.Context, name gateway.AccountName) (accounts.User, error) {
	if name == "nobody" {
		return accounts.User{}, gateway.Errorf(gateway.CodeNotFound, "no")
	}
	return user(name), nil
}

func (p *people) Add(ctx context.Context, n accounts.NewAccount) error {
	return p.did(ctx, "add %s %s %s %v", n.Name, n.Password, n.Role, list(n.Grants))
}

func (p *people) UpdateUser(ctx context.Context, name gateway.AccountName, c accounts.Patch) (accounts.User, error) {
	return user(name), p.did(ctx, "patch %s %s", name, patched(c))
}

func (p *people) DeleteUser(ctx context.Context, name gateway.AccountName) error {
	return p.did(ctx, "delete %s", name)
}

func (p *people) Unlock(ctx context.Context, name gateway.AccountName) error {
	return p.did(ctx, "unlock %s", name)
}

func (p *people) IssueReset(ctx context.Context, name gateway.AccountName) (string, time.Duration, error) {
	return strings.Repeat("c", 43), 30 * time.Minute, p.did(ctx, "reset of %s", name)
}

func device(name gateway.AccountName) gateway.Account {
	return gateway.Account{Name: name, Kind: gateway.KindDevice, Role: gateway.RoleMember, Created: 1, Keys: make([]gateway.DeviceKey, 1)}
}

func (*people) Devices(context.Context) ([]gateway.Account, error) {
	d := device("pump")
	d.Room, d.Seen, d.Keys = "plant.1", 5, make([]gateway.DeviceKey, 2)
	return []gateway.Account{d, device("valve")}, nil
}

func (*people) Device(_ context.Context, name gateway.AccountName) (gateway.Account, error) {
	return device(name), nil
}

func (p *people) AddDevice(ctx context.Context, n accounts.NewDevice) (string, error) {
	return strings.Repeat("k", 43), p.did(ctx, "add %s %s %v", n.Name, n.Room, list(n.Grants))
}

func (p *people) UpdateDevice(ctx context.Context, name gateway.AccountName, c accounts.Patch) (gateway.Account, error) {
	return device(name), p.did(ctx, "patch %s %s", name, patched(c))
}

func (p *people) RotateDeviceKey(ctx context.Context, name gateway.AccountName) (string, error) {
	return strings.Repeat("k", 43), p.did(ctx, "rotate %s", name)
}

func (p *people) DeleteDevice(ctx context.Context, name gateway.AccountName) error {
	return p.did(ctx, "delete %s", name)
}

func (p *people) Audit(ctx context.Context, after *uint64, limit int) ([]gateway.AuditEvent, error) {
	from := "the end"
	if after != nil {
		from = fmt.Sprint(*after)
	}
	return []gateway.AuditEvent{
		{Seq: 1, TS: 2, Event: gateway.EventLogin, Subject: "ann", IP: "192.0.2.1", Result: gateway.ResultFailed, Reason: "wrong_password", Count: 3},
		{Seq: 4, TS: 2, Event: gateway.EventRoleChanged, Actor: "root", Subject: "ann", Result: gateway.ResultOK, Count: 1},
	}, p.did(ctx, "audit from %s, %d", from, limit)
}

func (p *people) Note(ctx context.Context, event gateway.Event, subject, reason string) error {
	return p.did(ctx, "note %s %s %q", event, subject, reason)
}

// chambers are rooms that have whatever is asked for. Changes fail as those of
// the people do.
type chambers struct{ people *people }

func (chambers) Room(_ gateway.Principal, id gateway.RoomID) (hub.RoomInfo, error) {
	return hub.RoomInfo{
		Room: id, Epoch: "e", Seq: 7, Subscribers: 1,
		Settings: gateway.RoomSettings{Durability: gateway.DurabilityQueued, Overflow: gateway.OverflowDisconnect, MaxMessages: 1, MaxBytes: 1},
	}, nil
}

func (c chambers) Rooms(p gateway.Principal) ([]hub.RoomInfo, error) {
	info, err := c.Room(p, "plant.1")
	return []hub.RoomInfo{info}, err
}

func (chambers) Page(gateway.Principal, gateway.RoomID, gateway.HistoryQuery) (gateway.HistoryPage, error) {
	return gateway.HistoryPage{
		Head: gateway.RoomHead{Epoch: "e", Seq: 7, Oldest: 1}, Older: true, Newer: true,
		Messages: []gateway.Message{
			{Seq: 3, TS: 5, User: "ann", ID: "i", Payload: gateway.Payload{Bytes: []byte(`null`)}},
			{Seq: 4, TS: 5, User: "pump", Payload: gateway.Payload{Kind: gateway.PayloadBinary, Bytes: []byte{1}}},
		},
	}, nil
}

func (c chambers) Publish(_ context.Context, _ gateway.Principal, id gateway.RoomID, mid gateway.MessageID, _ gateway.Payload) (hub.Receipt, error) {
	return hub.Receipt{Room: id, Seq: 8, TS: 5, ID: mid, Durability: gateway.DurabilityQueued}, c.people.fail
}

func (chambers) Presence(_ gateway.Principal, id gateway.RoomID) ([]hub.PresentUser, error) {
	if id == "plant.empty" {
		return nil, nil
	}
	return []hub.PresentUser{{User: "ann", Since: 5, Connections: 2}, {User: "pump", Since: 6}}, nil
}

func (c chambers) Configure(_ context.Context, id gateway.RoomID, change func(*gateway.RoomSettings) error) (hub.RoomInfo, error) {
	info, _ := c.Room(gateway.Principal{}, id)
	if err := change(&info.Settings); err != nil {
		return info, err
	}
	return info, c.people.fail
}

func (c chambers) Delete(ctx context.Context, id gateway.RoomID) error {
	return c.people.did(ctx, "delete the room %s", id)
}

// lines are two live connections that note when one is cut.
type lines struct{ people *people }

func (lines) Connections() []hub.ConnectionInfo {
	return []hub.ConnectionInfo{
		{ID: string(session2), User: "ann", Kind: gateway.KindUser, Format: wire.FormatJSON, Room: "lobby", IP: "192.0.2.1", Since: 1, LastSeen: 2,
			RTT: 1234567 * time.Nanosecond, QueueBytes: 300, QueueLen: 1, Subscriptions: 2},
		{ID: "c-2", User: "pump", Kind: gateway.KindDevice, Format: wire.FormatRaw, Room: "plant.1", IP: "192.0.2.2", Since: 1, LastSeen: 1},
	}
}

func (lines) Trace(name gateway.AccountName) hub.Trace {
	ahead := -3 * time.Second
	if name != "pump" {
		return hub.Trace{}
	}
	return hub.Trace{Closed: 4004, Reason: "idle_timeout", ClosedAt: 5, Refused: gateway.CodeForbidden, RefusedAt: 6, Skew: &ahead}
}

func (l lines) NoteSkew(p gateway.Principal, ahead time.Duration) {
	l.people.calls = append(l.people.calls, fmt.Sprintf("%s is %v ahead", p.Name, ahead.Round(time.Hour)))
}

func (l lines) Cut(id string) bool {
	l.people.calls = append(l.people.calls, "cut "+id)
	return true
}

// list tells no grants from none given.
func list(g gateway.Grants) string {
	if g == nil {
		return "nil"
	}
	return fmt.Sprint([]gateway.Grant(g))
}

// patched writes down what a patch has.
func patched(c accounts.Patch) string {
	var b strings.Builder
	if c.Role != nil {
		fmt.Fprintf(&b, "role=%s ", *c.Role)
	}
	if c.Password != nil {
		fmt.Fprintf(&b, "password=%s ", *c.Password)
	}
	if c.Room != nil {
		fmt.Fprintf(&b, "room=%q ", *c.Room)
	}
	if c.Disabled != nil {
		fmt.Fprintf(&b, "disabled=%t ", *c.Disabled)
	}
	if c.Grants != nil {
		fmt.Fprintf(&b, "grants=%s ", list(*c.Grants))
	}
	return strings.TrimSpace(b.String())
}

// ask sends one request; headers are in pairs, and a body is JSON.
func ask(h http.Handler, method, path, token, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, path, nil)
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		switch headers[i] {
		case "Host":
			r.Host = headers[i+1]
		case "Content-Type":
			r.Header.Set(headers[i], headers[i+1])
		default:
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func codeOf(w *httptest.ResponseRecorder) string {
	var p struct{ Code string }
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	return p.Code
}

// wantCalls says what the accounts were asked to do.
func (p *people) wantCalls(t *testing.T, name string, want ...string) {
	t.Helper()
	if strings.Join(p.calls, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: did %q, want %q", name, p.calls, want)
	}
}

func (p *people) archive(_ context.Context, w io.Writer) error {
	if p.archiveFails != nil {
		return p.archiveFails(w)
	}
	_, err := io.WriteString(w, "an archive")
	return err
}
