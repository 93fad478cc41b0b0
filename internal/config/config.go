// Package config turns the TOML file, the EDGEGW_* variables and the flags into
// one frozen Config of real types. One option table says all there is to say
// about an option; decoding, variables, flags, the reference file and the output
// of "edgegw config" come from it.
//
// It checks shapes and ranges, not the world: whether a file can be read or an
// address is free is found out by the part that uses it. It never reads a secret
// file, so that it cannot show one.
package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"edgegw/internal/gateway"
)

// Environment picks the defaults of some options.
type Environment string

// The environments.
const (
	Production  Environment = "production"
	Development Environment = "development"
)

// LogFormat is how log lines look.
type LogFormat string

// The log formats.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// Config is the checked configuration. Nobody changes it after Load; the option
// table says what each member means.
type Config struct {
	Env           Environment
	Site          string
	Listen        string // host:port, or "" for TLS alone
	MetricsListen string // host:port, or "" for the main address
	DataDir       string
	LogFormat     LogFormat
	LogLevel      slog.Level

	// TLSListen is host:port, or "" for no TLS. The files are both given or
	// neither; neither is the gateway's own CA. TLSNames are DNS names in lower
	// case and addresses.
	TLSListen   string
	TLSCertFile string
	TLSKeyFile  string
	TLSNames    []string

	// AllowedOrigins are as browsers send them: lower case, no default port.
	AllowedOrigins []string
	TrustedProxies []netip.Prefix

	JWTSecretFile string // "" is one made in DataDir
	JWTKeysFile   string
	JWTIssuer     string
	JWTAudience   string
	// The lifetimes of people's tokens and of devices'. A refresh token lives
	// at least as long as the access token that it came with.
	AccessTTL        time.Duration
	DeviceAccessTTL  time.Duration
	RefreshTTL       time.Duration
	DeviceRefreshTTL time.Duration

	Argon2MemoryKiB   uint32
	Argon2Time        uint32
	Argon2Threads     uint8
	Argon2Concurrency int
	PasswordMinLength int

	// In the next two, attempts a minute, 0 is no limit.
	LoginRatePerIP      int
	LoginRatePerAccount int
	// LockoutThreshold is failures in a row; 0 is no lock.
	LockoutThreshold int
	LockoutDuration  time.Duration
	// ResetWebhook is an http or https URL, or "". Its path and query may
	// hold a secret, so that only its scheme and host may be shown.
	ResetWebhook string

	MaxConnections int
	// In the next two 0 is no limit.
	MaxConnectionsPerIP      int
	MaxConnectionsPerAccount int
	MaxRoomsPerConnection    int
	MaxMessageBytes          int
	// MessageRate is data frames a second and connection; 0 is no limit.
	MessageRate    int
	PingInterval   time.Duration
	SendQueueBytes int

	CommitWindow time.Duration
	// MaxStoreBytes is 0 for a share of the disk.
	MaxStoreBytes int64

	// BackupDir is where backups are kept, "" for a folder in DataDir; BackupEvery
	// 0 is never.
	BackupDir   string
	BackupEvery time.Duration
	BackupKeep  int

	DefaultGrants     gateway.Grants
	MetricsTokenFile  string
	AdminPasswordFile string

	// Rooms are the [[rooms]] tables in the order of the file.
	Rooms []RoomRule

	file         string
	texts        map[string]string // every option as it was given, lists aside
	settings     []Setting
	roomSettings [][]Setting
}

// File is the path of the configuration file, "" without one.
func (c *Config) File() string { return c.file }

// RoomRule gives settings to the rooms that a pattern matches.
type RoomRule struct {
	Match    string
	Settings gateway.RoomSettings
}

// RoomSettings are those of the first rule that matches the room, or the
// defaults.
func (c *Config) RoomSettings(room gateway.RoomID) gateway.RoomSettings {
	for i := range c.Rooms {
		if gateway.MatchPattern(c.Rooms[i].Match, room) {
			return c.Rooms[i].Settings
		}
	}
	return DefaultRoomSettings()
}

// RoomClasses tells which rooms are of which class, the same for as long as no
// room's class changes.
func (c *Config) RoomClasses() string {
	var b strings.Builder
	for i := range c.Rooms {
		fmt.Fprintf(&b, "%s %s\n", c.Rooms[i].Match, c.Rooms[i].Settings.Durability)
	}
	return b.String()
}

// DefaultRoomSettings are those of a room that no rule matches. Each message
// asks for them, so that they are not read from the table, which tells the same.
func DefaultRoomSettings() gateway.RoomSettings {
	return gateway.RoomSettings{
		Durability: gateway.DurabilityQueued, Overflow: gateway.OverflowDisconnect,
		MaxMessages: 100_000, MaxBytes: 64 << 20,
	}
}

// Text is an option as it was given, or its default, by name; lists are as in the
// file. It is "" for one that there is not.
func (c *Config) Text(option string) string { return c.texts[option] }
