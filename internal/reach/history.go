package reach

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Refused is an answer of the gateway that is none to the question.
type Refused struct {
	Status int
	// Code is one of the closed list, "" when something else answered.
	Code, Detail string
}

// Error names the code.
func (r *Refused) Error() string {
	return fmt.Sprintf("the gateway refused with %d %s: %s", r.Status, r.Code, r.Detail)
}

// FirstSince is the number of the oldest message of a room that was published at
// ts, in Unix milliseconds, or later, and 0 when there is none. The error is a
// *Refused or as those of Ask.
func (t Target) FirstSince(ctx context.Context, token, room string, ts int64) (uint64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/rooms/%s/messages?limit=1&from=%d", t.URL, room, ts), http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := t.client().Do(req)
	if err != nil {
		return 0, t.Explain(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Messages     []struct{ Seq uint64 }
		Code, Detail string
	}
	// A single message is at most as long as the longest frame.
	err = json.NewDecoder(io.LimitReader(res.Body, maxMessageBytes)).Decode(&answer)
	switch {
	case res.StatusCode != http.StatusOK:
		return 0, &Refused{Status: res.StatusCode, Code: answer.Code, Detail: answer.Detail}
	case err != nil:
		return 0, fmt.Errorf("what answers at %s is no edgegw: %w", t.URL, err)
	case len(answer.Messages) == 0:
		return 0, nil
	}
	return answer.Messages[0].Seq, nil
}

const maxMessageBytes = 32 << 20
