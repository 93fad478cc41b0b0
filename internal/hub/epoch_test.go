package hub_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
)

// Rooms that a history has in the same epoch do not share what clients know: an
// epoch is good in the room where it was shown, and nowhere else.
func TestEpochsAreOfOneRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rooms := []gateway.RoomID{"lobby", "lobby.2", "fs", "mem", "mem.2"}
		epochs := make(map[gateway.RoomID]string)
		for _, room := range rooms {
			w.fill(room, 1, 5)
			epochs[room] = w.connect(in(room)).frames()[1].Epoch
			info, err := w.hub.Room(member("eve", "*:r"), room)
			page, err2 := w.hub.Page(member("eve", "*:r"), room, gateway.HistoryQuery{Limit: 1})
			if err := errors.Join(err, err2); err != nil || string(info.Epoch) != epochs[room] || string(page.Head.Epoch) != epochs[room] {
				t.Errorf("%s is in %s; asked for, %s; its history, %s; %v", room, epochs[room], info.Epoch, page.Head.Epoch, err)
			}
		}
		for _, room := range rooms {
			for of, epoch := range epochs {
				p := w.connect(in(room), after(5, gateway.Epoch(epoch)))
				want := room == of
				if f := p.frames()[1]; f.Recovered == nil || *f.Recovered != want {
					t.Errorf("%s, with what %s is in: %s", room, of, f.payload)
				}
			}
			bare := strings.TrimSuffix(epochs[room], epochs[room][strings.LastIndex(epochs[room], "."):])
			p := w.connect(in("mem.home"))
			for _, epoch := range []string{bare, bare + ".", bare + ".AAAAAA", epochs[room][1:], epochs[room] + "A", epochs[room][len(bare):]} {
				p.send(`{"type":"subscribe","room":"%s","after":5,"epoch":"%s"}`, room, epoch)
				if answer, _ := p.resumed(room); !strings.HasSuffix(answer, "recovered false") {
					t.Errorf("%s, epoch %q: %s", room, epoch, answer)
				}
				p.send(`{"type":"unsubscribe","room":"%s"}`, room)
			}
		}
	})
}
