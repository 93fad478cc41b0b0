// Package httpapi is the HTTP side of the gateway: its routes, what stands
// before them (request ids, Origin policy, authentication), and how answers and
// errors look. The WebSocket route is mounted here and lives in wsedge.
//
// It decides nothing about accounts or rooms; accounts and hub do.
package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

// Accounts is what the routes need of accounts. Its parts stand beside the
// routes that use them.
type Accounts interface {
	Identities
	Setups
	Logins
	Sessions
	Passwords
	People
	Helpdesk
	Machines
	AuditLog
}

// Rooms is what the routes need of the hub; see its methods for their errors.
type Rooms interface {
	Room(p gateway.Principal, id gateway.RoomID) (hub.RoomInfo, error)
	Rooms(p gateway.Principal) ([]hub.RoomInfo, error)
	Page(p gateway.Principal, id gateway.RoomID, q gateway.HistoryQuery) (gateway.HistoryPage, error)
	Publish(ctx context.Context, p gateway.Principal, id gateway.RoomID, mid gateway.MessageID, payload gateway.Payload) (hub.Receipt, error)
	Presence(p gateway.Principal, id gateway.RoomID) ([]hub.PresentUser, error)
	Configure(ctx context.Context, id gateway.RoomID, change func(*gateway.RoomSettings) error) (hub.RoomInfo, error)
	Delete(ctx context.Context, id gateway.RoomID) error
}

// Options are an API's fixed parts. All are required unless they say otherwise.
type Options struct {
	Accounts Accounts
	Rooms    Rooms
	// Archive writes a backup, ArchiveName is a name for one now.
	Archive     func(context.Context, io.Writer) error
	ArchiveName func() string
	Connections Connections
	Board       Board
	Pages       Pages
	Clients     Clients
	// WebSocket serves GET /ws. SocketRefused is told of requests for it that
	// are refused before it is asked.
	WebSocket     http.Handler
	SocketRefused func(*http.Request, error)
	// MaxMessageBytes is the largest message, as on a WebSocket.
	MaxMessageBytes int
	// Health tells how the gateway is; Ready whether it takes requests.
	Health func() Health
	Ready  func() bool
	// WriteMetrics writes the exposition. MetricsToken, when not empty, is
	// asked for as a bearer token.
	WriteMetrics func(io.Writer)
	MetricsToken string
	// MetricsElsewhere leaves /metrics to Metrics on its own address.
	MetricsElsewhere bool
	// CACertificate is the gateway's own CA as PEM, nil when there is none.
	CACertificate func() []byte
	// AllowedOrigins may call cross-origin, for example
	// https://dash.example.net; TrustedProxies may say whom they forward for.
	AllowedOrigins []string
	TrustedProxies []netip.Prefix
	Observe        Observe
	Clock          interface{ Now() time.Time }
	Logger         *slog.Logger
	Version        string
}

// Observe counts requests. Class is one of Classes.
type Observe func(class string, status int, took time.Duration)

// API is the gateway's HTTP handler.
type API struct {
	opts    Options
	routes  []route
	origins map[string]bool
	pages   sync.Pool // of *[]byte, for writePage
}

// New makes the handler.
func New(opts Options) *API {
	a := &API{opts: opts, origins: make(map[string]bool)}
	for _, o := range opts.AllowedOrigins {
		a.origins[o] = true
	}
	a.routes = a.table()
	return a
}

// NewServer makes a server with limits that suit strangers. The caller gives it
// a listener. The read timeout covers slow senders of headers and bodies; a
// WebSocket leaves the server's care when it is upgraded.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		// OPTIONS * is answered like everything else, with a request id.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(logger.With("event", "http_server").Handler(), slog.LevelDebug),
	}
}
