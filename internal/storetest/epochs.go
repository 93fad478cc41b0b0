package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edgegw/internal/gateway"
)

// rememberedEpochs is how many ended epochs of a room are remembered.
const rememberedEpochs = 16

func checkPast(t *testing.T, s Subject, room gateway.RoomID, want []gateway.PastEpoch) {
	t.Helper()
	got, err := s.Past(room)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("Past(%s): %v (-want +got):\n%s", room, err, diff)
	}
}

func newEpochs(t *testing.T, s Subject, site *Site) {
	checkPast(t, s, "r", nil)
	seen := make(map[gateway.Epoch]bool)
	var want []gateway.PastEpoch
	for i := range rememberedEpochs + 4 {
		if i%3 > 0 { // one in three stays empty
			PublishAs(t, s, site, "r", "ada", gateway.MessageID(fmt.Sprint(i)))
		}
		if i%4 == 0 {
			s.settle()
		}
		before, _ := s.Head("r")
		if seen[before.Epoch] {
			t.Fatalf("epoch %q was given twice", before.Epoch)
		}
		seen[before.Epoch] = true
		if err := s.NewEpoch("r"); err != nil {
			t.Fatal(err)
		}
		want = append(want, gateway.PastEpoch{Epoch: before.Epoch, End: before.Seq})
		after, _ := s.Head("r")
		if after.Epoch == before.Epoch || after.Seq != before.Seq || after.Oldest != before.Oldest || after.TS != before.TS {
			t.Fatalf("the head went from %+v to %+v", before, after)
		}
		checkPast(t, s, "r", want[max(0, len(want)-rememberedEpochs):])
	}
	s.settle()
	checkPast(t, s, "r", want[len(want)-rememberedEpochs:])
	head, _ := s.Head("r")
	if all := All(t, s, "r"); len(all) != int(head.Seq) {
		t.Errorf("%d messages at %+v", len(all), head)
	}
	if found, err := s.Find("r", "ada", "1"); found.Seq != 1 || err != nil {
		t.Errorf("an id of another epoch: %+v, %v", found, err)
	}
	checkPast(t, s, "other", nil)
}

func deleteRoom(t *testing.T, s Subject, site *Site) {
	seen := make(map[gateway.Epoch]bool)
	note := func() gateway.RoomHead {
		head, _ := s.Head("r")
		if seen[head.Epoch] {
			t.Fatalf("epoch %q was given twice", head.Epoch)
		}
		seen[head.Epoch] = true
		return head
	}
	other := PublishAs(t, s, site, "other", "ada", "m-0")
	for round := range 4 {
		if head := note(); head.Seq != 0 || head.Oldest != 1 || head.TS != 0 {
			t.Fatalf("round %d begins at %+v", round, head)
		}
		for i := range 20 * round { // the first time nothing is there
			m := PublishAs(t, s, site, "r", "ada", gateway.MessageID(fmt.Sprint("m-", i)))
			if m.Seq != gateway.Seq(i+1) {
				t.Fatalf("round %d: seq %d in place %d", round, m.Seq, i)
			}
			if i == 10*round {
				s.settle()
				if err := s.NewEpoch("r"); err != nil {
					t.Fatal(err)
				}
				note()
			}
		}
		if all := All(t, s, "r"); len(all) != 20*round {
			t.Fatalf("round %d has %d messages", round, len(all))
		}
		if err := s.Delete("r"); err != nil {
			t.Fatal(err)
		}
		for range 2 { // before and after the space is given back
			if all := All(t, s, "r"); len(all) != 0 {
				t.Fatalf("round %d leaves %d messages", round, len(all))
			}
			checkPast(t, s, "r", nil)
			CheckNotFound(t, s, "r", "ada", "m-1")
			if round%2 == 0 {
				s.settle()
			}
		}
	}
	CheckFound(t, s, "other", other)
	if rooms, _ := s.Rooms(); len(rooms) != 1 || len(All(t, s, "other")) != 1 {
		t.Errorf("Rooms = %v", rooms)
	}
}
