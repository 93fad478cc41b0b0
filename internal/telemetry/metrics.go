package telemetry

import (
	"bytes"
	"io"
	"maps"
	"slices"
)

// Options name the program and close the tables of label values. Values outside
// a table are counted under Other. Doubled values in a table are a programming
// error and panic in New.
type Options struct {
	Version, Site string
	// DropReasons are why a message was not delivered to a subscriber.
	DropReasons []string
	// CloseCodes are the WebSocket close codes.
	CloseCodes []int
	// RejectReasons are why a handshake was refused.
	RejectReasons []string
	// LoginResults are the outcomes of a login, success among them.
	LoginResults []string
	// TokenReasons are why a token was refused.
	TokenReasons []string
	// Databases are the files of the store.
	Databases []string
	// HTTPClasses are groups of routes, each with the status codes worth a
	// series of their own in it.
	HTTPClasses map[string][]int
	// NoTLS leaves out what only a gateway with TLS can tell.
	NoTLS bool
}

// The states of a device. Each device is in one of them.
const (
	DeviceConnected = "connected" // has a live socket
	DeviceOffline   = "offline"   // has none, and was here before
	DeviceNever     = "never"     // was enrolled and never logged in
)

// Metrics are the gateway's metrics, by the names of the contract. The fields
// are set once and safe for concurrent use.
type Metrics struct {
	Connections       *Gauge
	MessagesReceived  *Counter
	MessagesDelivered *Counter
	MessagesDropped   *CounterVec[string]
	Closed            *CounterVec[int]
	Rejected          *CounterVec[string]

	Rooms           *Gauge
	RoomSubscribers *Histogram
	RoomMessageRate *Histogram
	// PublishDuration runs from the decoded command to the ack.
	PublishDuration *Histogram

	Logins          *CounterVec[string]
	TokenRejections *CounterVec[string]
	Argon2Duration  *Histogram
	Argon2Queue     *Gauge
	// LegacyHashes are of imported passwords, see package password.
	LegacyHashes *Gauge
	// Devices has the Device constants as its states.
	Devices *GaugeVec

	CommitDuration *Histogram
	CommitMessages *Histogram
	BytesWritten   *Counter
	StoreSize      *GaugeVec
	DiskFree       *Gauge
	EpochResets    *Counter
	Quarantines    *Counter
	BackupAge      *Gauge

	// CertificateExpiry is nil with NoTLS.
	CertificateExpiry *Gauge

	// PressureLevel is 0 to 3, see hub.Pressure.
	PressureLevel *Gauge
	// ClockState is 0, 1 or 2 for the clock states none, floor and synced.
	ClockState *Gauge

	registry  registry
	http      map[string]*HTTPClass // read-only after construction
	httpOther *HTTPClass
}

// New makes the metrics. It starts nothing and registers nothing globally, so
// that two gateways can live in one process.
func New(o Options) *Metrics {
	m := &Metrics{}
	m.addSockets(o)
	m.addRooms()
	m.addAuth(o)
	m.addStore(o)
	m.addHTTP(o)
	m.PressureLevel = m.registry.gauge("pressure_level",
		"What is shed: 0 nothing, 1 typing and presence, 2 also long replays, 3 also new connections.")
	m.ClockState = m.registry.gauge("clock_state",
		"Trust in the time: 0 none, 1 floor (not before the last run), 2 synced.")
	if !o.NoTLS {
		m.CertificateExpiry = m.registry.gauge("tls_certificate_expiry_seconds",
			"Time until the server certificate expires; negative when it has. Only with TLS.")
	}
	build := m.registry.add("build_info", "gauge", "Always 1; the labels name the running program and its site.")
	newGauge(build, "version", o.Version, "site", o.Site).Set(1)
	return m
}

func (m *Metrics) addSockets(o Options) {
	r := &m.registry
	m.Connections = r.gauge("ws_connections", "Live WebSocket connections.")
	m.MessagesReceived = r.counter("ws_messages_received_total", "Messages that clients published over WebSocket.")
	m.MessagesDelivered = r.counter("ws_messages_delivered_total", "Messages handed to subscribers, counted once for each.")
	m.MessagesDropped = counters(r, "ws_messages_dropped_total",
		"Messages that a subscriber did not get, by reason.", "reason", o.DropReasons)
	m.Closed = counters(r, "ws_closed_total", "Closed WebSocket connections, by close code.", "code", o.CloseCodes)
	m.Rejected = counters(r, "ws_rejected_total", "Refused WebSocket handshakes, by reason.", "reason", o.RejectReasons)
}

func (m *Metrics) addRooms() {
	r := &m.registry
	m.Rooms = r.gauge("rooms", "Rooms held in memory.")
	m.RoomSubscribers = r.histogram("room_subscribers",
		"Subscribers of a room; every 10 s each live room is observed.", 1, 2, 5, 10, 50, 100, 500, 1000)
	m.RoomMessageRate = r.histogram("room_message_rate",
		"Messages of a room in a second; every second each room with traffic is observed.", 1, 2, 5, 10, 50, 100, 1000)
	m.PublishDuration = r.histogram("publish_duration_seconds",
		"Time from a decoded publish to its acknowledgement, the commit included.", .0005, .001, .005, .01, .05, .1, .5, 1, 2.5)
}

func (m *Metrics) addAuth(o Options) {
	r := &m.registry
	m.Logins = counters(r, "auth_logins_total", "Login attempts, by result.", "result", o.LoginResults)
	m.TokenRejections = counters(r, "auth_token_rejections_total", "Refused access tokens, by reason.", "reason", o.TokenReasons)
	m.Argon2Duration = r.histogram("argon2_duration_seconds",
		"Time that one password hash took, without waiting for its turn.", .05, .1, .25, .5, 1, 2.5)
	m.Argon2Queue = r.gauge("argon2_queue", "Password hashes that wait for their turn.")
	m.LegacyHashes = r.gauge("auth_legacy_hashes", "Accounts whose imported password hash waits for their first login to become plain Argon2id.")
	m.Devices = r.gauges("devices", "Enrolled devices, by state: connected now, offline, or never logged in.",
		"state", []string{DeviceConnected, DeviceOffline, DeviceNever})
}

func (m *Metrics) addStore(o Options) {
	r := &m.registry
	m.CommitDuration = r.histogram("store_commit_duration_seconds",
		"Time that one commit to the history took, the sync included.", .001, .005, .01, .025, .05, .1, .25, .5, 1)
	m.CommitMessages = r.histogram("store_commit_messages", "Messages in one commit.", 1, 2, 5, 10, 50, 100, 1000)
	m.BytesWritten = r.counter("store_bytes_written_total", "Bytes written to the database files.")
	m.StoreSize = r.gauges("store_size_bytes", "Size of a database file.", "db", o.Databases)
	m.DiskFree = r.gauge("disk_free_bytes", "Free space for the gateway on the file system of the data folder.")
	m.BackupAge = r.gauge("backup_age_seconds", "Age of the newest backup; -1 when there is none.")
	m.Quarantines = r.counter("quarantines_total", "Damaged databases that were put aside.")
	m.EpochResets = r.counter("epoch_resets_total", "Times that a room had to begin a new epoch.")
}

func (m *Metrics) addHTTP(o Options) {
	r := &m.registry
	requests := r.add("http_requests_total", "counter", "Answered HTTP requests, by class of route and status code.")
	durations := r.add("http_request_duration_seconds", "histogram", "Time to answer an HTTP request, by class of route.")
	class := func(name string) *HTTPClass {
		return &HTTPClass{
			codes:    newCounters(requests, "code", o.HTTPClasses[name], "class", name),
			duration: newHistogram(durations, []float64{.005, .025, .1, .5, 2.5}, "class", name),
		}
	}
	m.httpOther = class(Other)
	m.http = make(map[string]*HTTPClass, len(o.HTTPClasses))
	for _, name := range slices.Sorted(maps.Keys(o.HTTPClasses)) {
		if name != Other {
			m.http[name] = class(name)
		}
	}
}

// HTTPClass gives the metrics of a class of routes, or those of Other. Routes
// ask once, when they are set up.
func (m *Metrics) HTTPClass(name string) *HTTPClass {
	if c, ok := m.http[name]; ok {
		return c
	}
	return m.httpOther
}

// Write writes all metrics, those of the Go runtime and the process included, in
// the Prometheus text format 0.0.4.
func (m *Metrics) Write(w io.Writer) error {
	// Gathered first: a scraper that reads slowly must not hold anything up.
	var b bytes.Buffer
	m.registry.write(&b)
	writeRuntime(&b)
	_, err := w.Write(b.Bytes())
	return err
}
