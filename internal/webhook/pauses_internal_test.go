package webhook

import "time"

// Hurry makes the pauses between the tries those given, so that tests need not
// wait for minutes.
func (s *Sender) Hurry(pauses ...time.Duration) { s.pauses = pauses }

// Lose makes the patience for all tries together the one given.
func (s *Sender) Lose(patience time.Duration) { s.patience = patience }

// The limits that tests go up to.
const (
	QueueLength = queueLength
	TryTimeout  = tryTimeout
)
