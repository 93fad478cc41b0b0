package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// stayConnected connects, and after each end decides whether and when to try
// again (PROTOCOL section 7).
func (c *Client) stayConnected(ctx context.Context) error {
	for {
		err := c.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if final := c.learn(err); final != nil {
			c.emit(ctx, Disconnected{Err: final})
			return final
		}
		wait := c.waitAfter(err)
		c.emit(ctx, Disconnected{Err: err, Wait: wait})
		if err := sleep(ctx, c.opts.Clock, wait); err != nil {
			return err
		}
	}
}

// learn draws the consequences of the end of a connection, or of a failed try.
// It returns the error to stop with if there is no sense in another one.
func (c *Client) learn(err error) (final error) {
	var closed *CloseError
	var refused *Error
	var fatal *finalError
	switch {
	case errors.As(err, &fatal):
		return fatal.err
	case errors.As(err, &closed):
		return c.obey(closed)
	case errors.As(err, &refused):
		if refused.Status == http.StatusBadRequest || refused.Status == http.StatusForbidden {
			return err
		}
	}
	return nil
}

func (c *Client) obey(closed *CloseError) (final error) {
	switch actionFor(closed.Code) {
	case actStop:
		return closed
	case actLogin:
		c.tokens.ended()
	case actRefresh:
		c.tokens.expire()
	case actSkip:
		c.skipLongest()
	case actReconnect:
	}
	return nil
}

// skipLongest gives up the longest message that was under way: the gateway takes
// nothing of its length, and would say so every time.
func (c *Client) skipLongest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.outbox.longest(); p != nil {
		c.outbox.settle(p, Receipt{}, ErrTooLarge)
	}
}

// waitAfter is how long to wait after an error. What the gateway says goes;
// Retry-After is in whole seconds, so those who got the same are spread over the
// second behind it.
func (c *Client) waitAfter(err error) time.Duration {
	var closed *CloseError
	var refused *Error
	switch {
	case errors.As(err, &closed) && closed.RetryAfter > 0:
		return c.backoff.told(closed.RetryAfter)
	case errors.As(err, &refused) && refused.RetryAfter > 0:
		return c.backoff.told(refused.RetryAfter + spread(c.opts.Random, time.Second))
	}
	return c.backoff.next()
}

// emit waits until there is space for an event, and reports false when ctx ends
// first.
func (c *Client) emit(ctx context.Context, e Event) bool {
	select {
	case c.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryAfter is what the gateway said about when to come back, or 0.
func retryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
