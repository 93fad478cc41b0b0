package hub

import (
	"log/slog"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// keeping is a history that keeps its records for long, as one in memory does.
type keeping struct{ records []*gateway.Record }

func (k *keeping) Head(gateway.RoomID) (gateway.RoomHead, error) { return gateway.RoomHead{}, nil }
func (k *keeping) Append(rec *gateway.Record) error {
	k.records = append(k.records, rec)
	return nil
}
func (k *keeping) Page(gateway.RoomID, gateway.HistoryQuery) (gateway.HistoryPage, error) {
	return gateway.HistoryPage{}, nil
}
func (k *keeping) Wait() error                      { return nil }
func (k *keeping) Rooms() ([]gateway.RoomID, error) { return nil, nil }

type still struct{}

func (still) Now() time.Time                         { return time.Unix(1, 0) }
func (still) Add(int64)                              {}
func (still) Observe(float64)                        {}
func (still) WriteNow(p []byte) (int, error)         { return len(p), nil }
func (still) WriteAll([][]byte, time.Duration) error { return nil }
func (still) Shutdown()                              {}

// A history keeps its records for long. They must not keep sessions and rooms
// alive with them.
func TestRecordsHoldNobody(t *testing.T) {
	for _, class := range []gateway.Durability{gateway.DurabilityMemory, gateway.DurabilityQueued, gateway.DurabilityFsynced} {
		t.Run("ok "+string(class), func(t *testing.T) {
			kept := &keeping{}
			h := New(Options{
				Stored: kept, Volatile: kept, Clock: still{}, Logger: slog.New(slog.DiscardHandler),
				Settings: func(gateway.RoomID) gateway.RoomSettings { return gateway.RoomSettings{Durability: class} },
				Metrics: Metrics{Received: still{}, Delivered: still{}, PublishDuration: still{},
					Closed: func(uint16) {}, Dropped: func(DropReason, int) {}},
				Limits: Limits{PingInterval: time.Minute, RoomsPerConnection: 1},
			})
			p := gateway.Principal{Name: "ann", Role: gateway.RoleAdmin}
			s, err := h.Admit(Connect{Principal: p, Room: "r", Format: "raw"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.End(0)
			r, err := h.acquire("r")
			if err != nil {
				t.Fatal(err)
			}
			pub := h.newPublication("ann", "r", "id", gateway.Payload{Bytes: []byte("1")})
			pub.session, pub.done = s, make(chan struct{})
			s.socket = still{}
			if err := r.publish(pub); err != nil {
				t.Fatal(err)
			}
			h.Committed(kept.records)
			h.release(r)
			if pub.session != nil || pub.done != nil || pub.room != nil {
				t.Errorf("the record still holds session %v, done %v, room %v", pub.session, pub.done, pub.room)
			}
			if _, rooms := h.Live(); rooms != 0 {
				t.Errorf("%d rooms are live", rooms)
			}
		})
	}
}

func (k *keeping) Flush() {}

func (k *keeping) Past(gateway.RoomID) ([]gateway.PastEpoch, error)                  { return nil, nil }
func (k *keeping) Delete(gateway.RoomID) error                                       { return nil }
func (k *keeping) NewEpoch(gateway.RoomID) error                                     { return nil }
func (k *keeping) ForgetEpochs(gateway.RoomID) error                                 { return nil }
func (k *keeping) Begin(gateway.RoomID, gateway.RoomHead, []gateway.PastEpoch) error { return nil }
func (k *keeping) Behind(gateway.RoomID) gateway.Seq                                 { return 0 }
func (k *keeping) Find(gateway.RoomID, gateway.AccountName, gateway.MessageID) (gateway.Found, error) {
	return gateway.Found{}, nil
}
