package boltstore

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"edgegw/internal/gateway"
)

// identityModel is what an identity store should hold, in plain Go.
type identityModel struct {
	ring     int // events that each ring keeps
	accounts map[gateway.AccountName]gateway.Account
	sessions map[[2]string]gateway.Session
	resets   map[gateway.ResetHash]gateway.Reset
	rings    [2][]gateway.AuditEvent // routine ones second
	last     uint64
	tombs    map[gateway.AccountName]uint64
	gone     []gateway.AccountName // deleted by the change at hand
	signing  []gateway.SigningKey
	floor    gateway.Timestamp
}

func newIdentityModel(ring int) *identityModel {
	return &identityModel{
		ring:     ring,
		accounts: make(map[gateway.AccountName]gateway.Account),
		sessions: make(map[[2]string]gateway.Session),
		resets:   make(map[gateway.ResetHash]gateway.Reset),
		tombs:    make(map[gateway.AccountName]uint64),
	}
}

func (m *identityModel) clone() *identityModel {
	c := *m
	c.accounts, c.sessions, c.resets = maps.Clone(m.accounts), maps.Clone(m.sessions), maps.Clone(m.resets)
	c.rings = [2][]gateway.AuditEvent{slices.Clone(m.rings[0]), slices.Clone(m.rings[1])}
	c.tombs, c.signing = maps.Clone(m.tombs), slices.Clone(m.signing)
	return &c
}

// finish is what the end of a successful change does.
func (m *identityModel) finish() {
	for i, ring := range m.rings {
		if surplus := len(ring) - m.ring; surplus > 0 {
			m.rings[i] = ring[surplus+m.ring/64:]
		}
	}
	for _, name := range m.gone {
		m.tombs[name] = m.last
	}
	m.gone = nil
}

func (m *identityModel) putAccount(a gateway.Account) (taken bool) {
	for _, k := range a.Keys {
		if owner := m.deviceOf(k.Hash); owner != "" && owner != a.Name {
			return true
		}
	}
	m.accounts[a.Name] = a
	return false
}

func (m *identityModel) deleteAccount(name gateway.AccountName) {
	if _, ok := m.accounts[name]; ok {
		m.gone = append(m.gone, name)
	}
	delete(m.accounts, name)
	maps.DeleteFunc(m.sessions, func(_ [2]string, s gateway.Session) bool { return s.Account == name })
	maps.DeleteFunc(m.resets, func(_ gateway.ResetHash, r gateway.Reset) bool { return r.Account == name })
}

func (m *identityModel) deviceOf(hash gateway.KeyHash) gateway.AccountName {
	for _, a := range m.accounts {
		if slices.ContainsFunc(a.Keys, func(k gateway.DeviceKey) bool { return k.Hash == hash }) {
			return a.Name
		}
	}
	return ""
}

func (m *identityModel) deleted(name gateway.AccountName) bool {
	seq, ok := m.tombs[name]
	if slices.Contains(m.gone, name) {
		seq, ok = m.last, true
	}
	return ok && len(m.rings[0]) > 0 && m.rings[0][0].Seq <= seq
}

func (m *identityModel) addEvent(e gateway.AuditEvent) {
	m.last++
	e.Seq, e.Count = m.last, max(1, e.Count)
	i := 0
	if e.Routine() {
		i = 1
	}
	m.rings[i] = append(m.rings[i], e)
}

func (m *identityModel) purgeEvents(before gateway.Timestamp) {
	for i := range m.rings {
		m.rings[i] = slices.DeleteFunc(m.rings[i], func(e gateway.AuditEvent) bool { return e.TS < before })
	}
}

func (m *identityModel) events(after *uint64, limit int) []gateway.AuditEvent {
	all := slices.Concat(m.rings[0], m.rings[1])
	slices.SortFunc(all, func(a, b gateway.AuditEvent) int { return cmp.Compare(a.Seq, b.Seq) })
	if after == nil {
		return all[max(0, len(all)-limit):]
	}
	all = slices.DeleteFunc(all, func(e gateway.AuditEvent) bool { return e.Seq <= *after })
	return all[:min(len(all), limit)]
}

// sessionsOf lists them as a store yields them, all for "".
func (m *identityModel) sessionsOf(name gateway.AccountName) (list []gateway.Session) {
	for _, s := range m.sessions {
		if name == "" || s.Account == name {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b gateway.Session) int {
		return strings.Compare(string(a.Account)+"\x00"+string(a.ID), string(b.Account)+"\x00"+string(b.ID))
	})
	return list
}

// The values that the model is asked for and made of: few, so that they meet.
var (
	modelNames  = []gateway.AccountName{"a", "a-b", "ab", "b", "dev.1"}
	modelIDs    = []gateway.SessionID{"s1", "s2", "s3"}
	modelHashes = [][32]byte{{1}, {2}, {2, 1}, {255}}
	modelEvents = []gateway.Event{gateway.EventLogin, gateway.EventLogout, gateway.EventAccountDeleted, gateway.EventRoleChanged}
)

// compare asks the transaction for everything and tells what is not as in the
// model.
func (m *identityModel) compare(tx *IdentityTx) (wrong []string) {
	same := func(what string, got, want any) {
		if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
			wrong = append(wrong, fmt.Sprintf("%s: %s; want %s", what, g, w))
		}
	}
	var accounts []gateway.Account
	err := tx.Accounts(func(a gateway.Account) bool { accounts = append(accounts, a); return true })
	var want []gateway.Account
	for _, name := range slices.Sorted(maps.Keys(m.accounts)) {
		want = append(want, m.accounts[name])
	}
	same("Accounts", fmt.Sprint(accounts, err), fmt.Sprint(want, nil))
	for _, name := range append([]gateway.AccountName{""}, modelNames...) {
		if name != "" {
			m.compareAccount(tx, name, same)
		}
		var list []gateway.Session
		err := tx.Sessions(name, func(s gateway.Session) bool { list = append(list, s); return true })
		same("Sessions of "+string(name), fmt.Sprint(list, err), fmt.Sprint(m.sessionsOf(name), nil))
	}
	var resets []gateway.Reset
	err = tx.Resets(func(r gateway.Reset) bool { resets = append(resets, r); return true })
	known := slices.SortedFunc(maps.Values(m.resets), func(a, b gateway.Reset) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	same("Resets", fmt.Sprint(resets, err), fmt.Sprint(known, nil))
	for _, hash := range modelHashes {
		r, ok, err := tx.Reset(hash)
		known, there := m.resets[hash]
		same("Reset", fmt.Sprint(r, ok, err), fmt.Sprint(known, there, nil))
		owner, err := tx.DeviceOf(hash)
		same("DeviceOf", fmt.Sprint(owner, err), fmt.Sprint(m.deviceOf(hash), nil))
	}
	m.compareEvents(tx, same)
	signing, err := tx.SigningKeys()
	same("SigningKeys", fmt.Sprint(signing, err), fmt.Sprint(m.signing, nil))
	same("ClockFloor", tx.ClockFloor(), m.floor)
	return wrong
}

func (m *identityModel) compareAccount(tx *IdentityTx, name gateway.AccountName, same func(string, any, any)) {
	a, ok, err := tx.Account(name)
	known, there := m.accounts[name]
	same("Account", fmt.Sprint(a, ok, err), fmt.Sprint(known, there, nil))
	deleted, err := tx.Deleted(name)
	same("Deleted "+string(name), fmt.Sprint(deleted, err), fmt.Sprint(m.deleted(name), nil))
	for _, id := range modelIDs {
		s, ok, err := tx.Session(name, id)
		known, there := m.sessions[[2]string{string(name), string(id)}]
		same("Session", fmt.Sprint(s, ok, err), fmt.Sprint(known, there, nil))
	}
}

func (m *identityModel) compareEvents(tx *IdentityTx, same func(string, any, any)) {
	for _, limit := range []int{0, 1, 3, 1000} {
		events, err := tx.Events(nil, limit)
		same(fmt.Sprint("the newest ", limit), fmt.Sprint(events, err), fmt.Sprint(m.events(nil, limit), nil))
		for _, after := range []uint64{0, m.last / 2, max(3, m.last) - 3, m.last, 1<<64 - 1} {
			events, err := tx.Events(&after, limit)
			same(fmt.Sprint(limit, " after ", after), fmt.Sprint(events, err), fmt.Sprint(m.events(&after, limit), nil))
		}
	}
}
