package realtime_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// crashRooms has a room for each class, and for each amount of history that makes
// a difference: more than a page of a replay, and less than a burst.
const crashRooms = `
[[rooms]]
match = "mem.small"
durability = "memory"
max_messages = 40
[[rooms]]
match = "mem.*"
durability = "memory"
max_messages = 2000
[[rooms]]
match = "fs.small"
durability = "fsynced"
max_messages = 40
[[rooms]]
match = "fs.*"
durability = "fsynced"
max_bytes = 10000000000
[[rooms]]
match = "q.small"
max_messages = 40
[[rooms]]
match = "q.mid"
max_messages = 450
[[rooms]]
match = "idle"
durability = "memory"
[[rooms]]
match = "q.a"
max_bytes = 10000000000
`

// world is the site of the model test, with its clients and the model.
type world struct {
	s     *site
	t     *testing.T
	r     *rand.Rand // the driver's own
	names []string
	rooms map[string]*ledger
	// owners has whose each epoch is that was ever shown.
	owners map[string]string
	run    int
	reads  map[string]string // tokens by account

	followers []*follower
	speakers, callers,
	shouters []*publisher

	// dying is set while connections may break, done when clients shall stop;
	// patience is how long they then wait for answers.
	dying, done atomic.Bool
	patience    time.Duration
	failures    atomic.Int32

	mu    sync.Mutex
	heard map[string][][]string // raw contents of this run, by room

	kills, stops, probes, looks int
}

// fail reports a failure; there may be many of one kind.
func (w *world) fail(format string, args ...any) {
	if w.failures.Add(1) <= 8 {
		w.t.Errorf("run %d: %s", w.run, fmt.Sprintf(format, args...))
	}
}

func (w *world) over() bool { return w.done.Load() || w.failures.Load() > 0 }

// ended takes the error of a connection that could not be made.
func (w *world) ended(err error) {
	if !w.dying.Load() {
		w.fail("connecting: %v", err)
	}
	time.Sleep(5 * time.Millisecond)
}

func (w *world) hear(room string, contents []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard[room] = append(w.heard[room], contents)
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 4)), rooms: make(map[string]*ledger), owners: make(map[string]string), heard: make(map[string][][]string)}
	w.s = open(t, crashRooms, "log_level=info", "max_store_bytes=8589934592")
	for _, l := range []*ledger{
		newLedger("mem.a", "memory", 2000), newLedger("mem.small", "memory", 40),
		newLedger("q.a", "queued", 100_000), newLedger("q.mid", "queued", 450), newLedger("q.small", "queued", 40),
		newLedger("fs.a", "fsynced", 100_000), newLedger("fs.small", "fsynced", 40),
	} {
		w.names, w.rooms[l.name] = append(w.names, l.name), l
	}
	accounts := map[string]string{"ada": w.s.person("ada"), "bob": w.s.person("bob"), "wes": w.s.person("wes", "*:w")}
	w.reads = accounts
	source := func() *rand.Rand { return rand.New(rand.NewPCG(w.r.Uint64(), 0)) }
	for i := range 8 {
		f := &follower{w: w, name: fmt.Sprint("follower", i), token: accounts["bob"], r: source(), of: make(map[string]*position)}
		for _, room := range w.r.Perm(len(w.names))[:1+i%4] {
			f.rooms = append(f.rooms, w.names[room])
		}
		w.followers = append(w.followers, f)
	}
	publishers := func(kind string, users ...string) (list []*publisher) {
		for i, user := range users {
			list = append(list, &publisher{w: w, name: fmt.Sprint(kind, i), user: user, token: accounts[user], r: source()})
		}
		return list
	}
	w.speakers = publishers("speaker", "ada", "ada", "wes")
	w.callers = publishers("caller", "ada", "wes", "wes")
	w.shouters = publishers("shouter", "ada", "bob")
	return w
}

// busy lets everyone write and come and go, until the end that it is told.
func (w *world) busy(end func()) {
	w.done.Store(false)
	var all sync.WaitGroup
	for _, f := range w.followers {
		all.Go(f.follow)
	}
	for _, p := range w.speakers {
		all.Go(func() {
			for !w.over() {
				p.speak()
			}
		})
	}
	for _, p := range w.callers {
		all.Go(p.call)
	}
	for _, p := range w.shouters {
		all.Go(p.shout)
	}
	time.Sleep(time.Duration(100+w.r.IntN(1700)) * time.Millisecond)
	end()
	all.Wait()
	for room, streams := range w.heard {
		for _, contents := range streams {
			w.checkHeard(w.rooms[room], contents)
		}
	}
	clear(w.heard)
}

// checkHeard compares what a raw connection heard, which has no numbers, with the
// room: it must be a stretch of it. What nobody else was shown has no number.
func (w *world) checkHeard(l *ledger, contents []string) {
	before := uint64(0)
	for i, c := range contents {
		seq := l.where(c)
		if seq > 0 && before > 0 && seq != before+1 {
			w.fail("room %s, raw: message %d of %d is seq %d, the one before it was %d", l.name, i, len(contents), seq, before)
			return
		}
		if before = seq; seq == 0 && !l.wasSent(c) {
			w.fail("room %s, raw: nobody has sent %.80s", l.name, c)
			return
		}
	}
}

// look compares every room with its model while nobody writes, and lets clients
// come back to it in every way. begun is nil when the gateway was not restarted.
func (w *world) look(begun *bool) {
	w.looks++
	for _, name := range w.names {
		if err := w.lookAt(w.rooms[name], begun); err != nil {
			w.fail("%v", err)
		}
	}
	if w.failures.Load() > 0 {
		return
	}
	w.visits()
}

func (w *world) lookAt(l *ledger, begun *bool) error {
	var room frame
	if err := w.get("/rooms/"+l.name, &room); err != nil {
		return err
	}
	// What one room has given says nothing in another one.
	if owner, known := w.owners[room.Epoch]; known && owner != l.name {
		return fmt.Errorf("room %s is in epoch %s, which is one of room %s", l.name, room.Epoch, owner)
	}
	w.owners[room.Epoch] = l.name
	before := l.head
	if begun != nil {
		if err := l.begin(room.Epoch, room.Seq, *begun); err != nil {
			return err
		}
	} else if err := l.goOn(room.Epoch, room.Seq); err != nil {
		return err
	}
	if !l.stored() && begun != nil {
		before = 0
	}
	history, oldest, err := w.history(l, before)
	if err != nil {
		return err
	}
	if err := l.keeps(oldest, before); err != nil {
		return err
	}
	return l.hold(max(oldest, min(before, l.head)+1), history)
}

// history reads all messages above a seq, and which is the oldest of all.
func (w *world) history(l *ledger, after uint64) (all []frame, oldest uint64, err error) {
	type page struct {
		Epoch    string
		Messages []frame
		Next     uint64
	}
	var first page
	if err := w.get("/rooms/"+l.name+"/messages?after=0&limit=1", &first); err != nil {
		return nil, 0, err
	}
	oldest = l.head + 1
	if len(first.Messages) > 0 {
		oldest = first.Messages[0].Seq
	}
	for range 1000 {
		var p page
		if err := w.get(fmt.Sprintf("/rooms/%s/messages?after=%d&limit=1000", l.name, after), &p); err != nil {
			return nil, 0, err
		}
		if p.Epoch != l.epoch {
			return nil, 0, fmt.Errorf("room %s: history of epoch %s in %s", l.name, p.Epoch, l.epoch)
		}
		all = append(all, p.Messages...)
		if p.Next == 0 {
			break
		}
		after = p.Next
	}
	return all, oldest, nil
}

func (w *world) get(path string, into any) error {
	a, err := w.s.try("GET", path, w.reads["bob"], nil)
	if err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("GET %s: %d %s %w", path, a.Status, a.Code(), err)
	}
	return decode(a.Body, into)
}

// settle waits until nothing is on its way any more: what has no id is answered
// by nobody.
func (w *world) settle() {
	var last string
	for same := 0; same < 4; time.Sleep(25 * time.Millisecond) {
		var b strings.Builder
		for _, name := range w.names {
			var room frame
			if err := w.get("/rooms/"+name, &room); err != nil {
				w.fail("%v", err)
				return
			}
			fmt.Fprintln(&b, room.Seq)
		}
		if same++; b.String() != last {
			same, last = 0, b.String()
		}
	}
}

// round is one run of the gateway, from a start to its end.
func (w *world) round() {
	clean := w.r.IntN(4) == 0
	stop := func() {
		if clean {
			w.stops++
			if err := w.s.End(syscall.SIGTERM); err != nil {
				w.fail("stopping: %v", err)
			}
		} else {
			w.kills++
			w.s.kill()
		}
	}
	finish := func() {
		w.done.Store(true)
	}
	if w.r.IntN(3) == 0 { // a quiet end
		w.patience = 3 * time.Second
		w.busy(finish)
		w.settle()
		w.look(nil)
		if w.failures.Load() == 0 {
			stop()
		}
	} else {
		w.patience = 0
		w.busy(func() {
			w.dying.Store(true)
			stop()
			finish()
		})
	}
	w.dying.Store(false)
	if w.failures.Load() > 0 {
		return
	}
	w.run++
	w.s.Run("commit_window=" + []string{"0", "1s"}[w.r.IntN(2)])
	w.look(&clean)
}

func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, value)
	}
	return n
}

// Whatever is published, and whenever the gateway is killed: every answer to a
// client that comes back is what the rule says of what was seen and acknowledged.
func TestCrashes(t *testing.T) {
	t.Parallel()
	seed := fromEnvironment(t, "SEED", rand.Uint64N(1_000_000))
	rounds := fromEnvironment(t, "ROUNDS", 0)
	t.Logf("crashes: SEED=%d", seed)
	w := newWorld(t, seed)
	first := true
	w.look(&first)
	began := time.Now()
	for i := uint64(0); w.failures.Load() == 0; i++ {
		if rounds > 0 && i >= rounds || rounds == 0 && time.Since(began) > 50*time.Second {
			break
		}
		w.round()
	}
	w.report(seed)
}

func (w *world) report(seed uint64) {
	var messages, seen, returns, recovered, lost, acks, repeats int
	for _, l := range w.rooms {
		messages += len(l.posts)
		seen += len(l.line)
	}
	for _, f := range w.followers {
		returns, recovered, lost = returns+f.returns, recovered+f.recovered, lost+f.lost
	}
	for _, list := range [][]*publisher{w.speakers, w.callers} {
		for _, p := range list {
			acks, repeats = acks+p.acks, repeats+p.repeats
		}
	}
	w.t.Logf("crashes: seed %d, %d kills and %d clean stops, %d quiet looks; %d messages sent, %d acknowledged, %d sent again, %d in the rooms; %d returns under way (%d recovered, %d told of a loss), %d asked while quiet",
		seed, w.kills, w.stops, w.looks, messages, acks, repeats, seen, returns, recovered, lost, w.probes)
	for what, n := range map[string]int{"a kill": w.kills, "a recovery": recovered, "a loss": lost, "a message sent again": repeats, "a probe": w.probes} {
		if n == 0 && w.failures.Load() == 0 {
			w.t.Errorf("crashes: there was never %s", what)
		}
	}
}
