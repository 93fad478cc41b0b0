package httpapi

import (
	"context"
	"net/http"
	"net/url"

	"edgegw/internal/gateway"
)

// AuditLog keeps what happened.
type AuditLog interface {
	// Audit returns up to limit events in the order of their seq: the oldest
	// above after, or the newest of all when after is nil.
	Audit(ctx context.Context, after *uint64, limit int) ([]gateway.AuditEvent, error)
	// Note writes down what is decided here; it is durable when Note returns.
	Note(ctx context.Context, event gateway.Event, subject, reason string) error
}

type eventJSON struct {
	Seq     uint64            `json:"seq"`
	TS      gateway.Timestamp `json:"ts"`
	Event   gateway.Event     `json:"event"`
	Actor   string            `json:"actor"`
	Subject string            `json:"subject"`
	IP      string            `json:"ip"`
	Result  gateway.Result    `json:"result"`
	Reason  string            `json:"reason"`
	Count   uint32            `json:"count,omitempty"` // left out for one
}

func eventOf(e gateway.AuditEvent) eventJSON {
	if e.Count == 1 {
		e.Count = 0
	}
	return eventJSON{
		Seq: e.Seq, TS: e.TS, Event: e.Event, Actor: e.Actor, Subject: e.Subject,
		IP: e.IP, Result: e.Result, Reason: e.Reason, Count: e.Count,
	}
}

func (a *API) listAudit(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r)
	if err != nil {
		return err
	}
	after, limit, err := parseAuditQuery(query)
	if err != nil {
		return err
	}
	found, err := a.opts.Accounts.Audit(r.Context(), after, limit)
	if err != nil {
		return err
	}
	list := make([]eventJSON, 0, len(found))
	for _, e := range found {
		list = append(list, eventOf(e))
	}
	return writeJSON(w, http.StatusOK, map[string][]eventJSON{"events": list})
}

// parseAuditQuery reads the query as strictly as parseHistoryQuery does; after is
// nil when it is not given.
func parseAuditQuery(query url.Values) (after *uint64, limit int, err error) {
	limit = gateway.DefaultHistoryLimit
	for name, values := range query {
		switch name {
		case "limit":
			n, err := number(name, values, gateway.MinHistoryLimit, gateway.MaxHistoryLimit)
			if err != nil {
				return nil, 0, err
			}
			limit = int(n)
		case "after":
			n, err := number(name, values, 0, mostNumber)
			if err != nil {
				return nil, 0, err
			}
			after = &n
		default:
			return nil, 0, gateway.Errorf(gateway.CodeInvalidRequest, "a query parameter is unknown; use limit or after")
		}
	}
	return after, limit, nil
}
