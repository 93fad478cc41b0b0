package adminsock

import (
	"context"
	"time"

	"edgegw/internal/gateway"
)

// Clock is what the gateway takes for the time. All are Unix milliseconds: Now is
// the gateway's own time, Wall the system's, Floor what the next start begins at,
// at least, and Age what ages are measured by, which is never ahead of Now.
type Clock struct {
	Now     int64  `json:"now"`
	Wall    int64  `json:"wall"`
	Floor   int64  `json:"floor"`
	Age     int64  `json:"age"`
	State   string `json:"state"`
	Running bool   `json:"running"`
}

// NewTime is what somebody says that the time is. Force is for one that is more than
// a year ahead.
type NewTime struct {
	At    time.Time `json:"at"`
	Force bool      `json:"force,omitempty"`
}

// TimeControl is what Direct asks about the time.
type TimeControl interface {
	// Show is ShowClock.
	Show(context.Context) (Clock, error)
	// Set is SetClock.
	Set(context.Context, NewTime) (Clock, error)
	// Reset is ResetClock.
	Reset(context.Context) (Clock, error)
}

var errNoTime = gateway.Errorf(gateway.CodeUnavailable, "there is no clock to ask")

// ShowClock implements Clocks.
func (d Direct) ShowClock(ctx context.Context) (Clock, error) {
	if d.Time == nil {
		return Clock{}, errNoTime
	}
	return d.Time.Show(ctx)
}

// SetClock implements Clocks.
func (d Direct) SetClock(ctx context.Context, to NewTime) (Clock, error) {
	if d.Time == nil {
		return Clock{}, errNoTime
	}
	return d.Time.Set(origin(ctx), to)
}

// ResetClock implements Clocks.
func (d Direct) ResetClock(ctx context.Context) (Clock, error) {
	if d.Time == nil {
		return Clock{}, errNoTime
	}
	return d.Time.Reset(origin(ctx))
}

// ShowClock implements Clocks.
func (c *Client) ShowClock(ctx context.Context) (Clock, error) {
	return ask[Clock](ctx, c, "clock/show", struct{}{})
}

// SetClock implements Clocks.
func (c *Client) SetClock(ctx context.Context, to NewTime) (Clock, error) {
	return ask[Clock](ctx, c, "clock/set", to)
}

// ResetClock implements Clocks.
func (c *Client) ResetClock(ctx context.Context) (Clock, error) {
	return ask[Clock](ctx, c, "clock/reset", struct{}{})
}
