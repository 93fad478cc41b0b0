package client

import "errors"

// Subscribe joins a room, now and after every reconnect, until Unsubscribe or
// until an Unsubscribed event says that it is over. from is where to go on; nil
// begins with what is published from now on. latest asks for the newest stored
// message whenever what was missed cannot be replayed, the first time included.
// A room that the client is in, or is joining, stays as it is.
//
// The answer is an event: Subscribed, or Unsubscribed with the reason.
func (c *Client) Subscribe(roomName string, from *Position, latest bool) error {
	if roomName == "" {
		return errors.New("client: a room has a name")
	}
	if err := from.check(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms[roomName] == nil {
		c.rooms[roomName] = &room{name: roomName, from: from, latest: latest}
		c.wakeLocked()
	}
	return nil
}

// Unsubscribe leaves a room. Messages that are on their way may still come; the
// Unsubscribed event says that none follow.
func (c *Client) Unsubscribe(roomName string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms[roomName] == nil || roomName == "" {
		return
	}
	delete(c.rooms, roomName)
	if c.link != nil {
		c.link.state.leaving[roomName] = false
		c.wakeLocked()
	}
}

// Typing tells the others in a room that the account types there, or has
// stopped. While it goes on, tell it again every 3 seconds or so: it ends by
// itself after 6. Without a connection nothing is sent, now or later.
func (c *Client) Typing(roomName string, active bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil && c.link.state.open {
		c.link.state.typing[roomName] = active
		c.wakeLocked()
	}
}
