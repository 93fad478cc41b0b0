package config

import (
	"log/slog"
	"net/netip"
	"time"

	"edgegw/internal/gateway"
)

// Where addresses have 32 bits the memory map of the store fails from 512 MiB on.
const (
	wide                 = ^uint(0) >> 63 // 1 on 64-bit machines, else 0
	mostStoreBytes int64 = 256 << 20 << (12 * wide)
)

// table is the option table: all that there is to know about an option. A new
// option is one row here and one field of Config.
var table = []row[Config]{
	scalar("env", Text, "production", choice(Production, Development), func(c *Config) *Environment { return &c.Env },
		"Picks the defaults of data_dir, log_format and the argon2 options: production for devices in the field, development for trying things out."),
	scalar("site", Text, "edgegw", siteName(), func(c *Config) *string { return &c.Site },
		"The name of this site, as it stands in the metrics."),
	scalar("listen", Text, "127.0.0.1:8080", address(true), func(c *Config) *string { return &c.Listen },
		"The address for HTTP and WebSocket without TLS. An empty host is every interface; port 0 is any free one; with tls_listen it may be left empty."),
	scalar("metrics_listen", Text, "", address(true), func(c *Config) *string { return &c.MetricsListen },
		"An address of its own for /metrics. When empty, /metrics is served on listen and tls_listen."),
	scalar("data_dir", Text, "/var/lib/edgegw", someText(), func(c *Config) *string { return &c.DataDir },
		"The folder of the databases and of generated secrets. One gateway uses it at a time.").dev("./data"),

	scalar("tls_listen", Text, "", address(true), func(c *Config) *string { return &c.TLSListen },
		"The address for HTTP and WebSocket over TLS, for example :8443. When empty, there is none."),
	scalar("tls_cert_file", Text, "", anyText(), func(c *Config) *string { return &c.TLSCertFile },
		"A PEM file with a certificate and those between it and its root. When empty, the gateway's own CA makes one.").secret(),
	scalar("tls_key_file", Text, "", anyText(), func(c *Config) *string { return &c.TLSKeyFile },
		"A PEM file with the key of tls_cert_file.").secret(),
	list("tls_names", "", hostName(), func(c *Config) *[]string { return &c.TLSNames },
		"Names and addresses besides the machine's own that the CA may vouch for and the certificate holds."),

	scalar("log_format", Text, "json", choice(LogJSON, LogText), func(c *Config) *LogFormat { return &c.LogFormat },
		"How log lines look: json for machines, text for people.").dev("text"),
	scalar("log_level", Text, "info", logLevel(), func(c *Config) *slog.Level { return &c.LogLevel },
		"The least severe lines that are logged."),

	list("allowed_origins", "", webOrigin(), func(c *Config) *[]string { return &c.AllowedOrigins },
		"Web origins besides the gateway's own whose pages may use it from a browser."),
	list("trusted_proxies", "", prefix(), func(c *Config) *[]netip.Prefix { return &c.TrustedProxies },
		"Proxies whose X-Forwarded-For is believed. From anyone else the header is ignored."),

	scalar("jwt_secret_file", Text, "", anyText(), func(c *Config) *string { return &c.JWTSecretFile },
		"A file with the secret that signs tokens, 32 bytes or more; one trailing newline does not count. When empty, one is made in data_dir on first start.").secret(),
	scalar("jwt_keys_file", Text, "", anyText(), func(c *Config) *string { return &c.JWTKeysFile },
		`A file with a key ring, {"active":KID,"keys":{KID:base64}}. If given, it replaces jwt_secret_file.`).secret(),
	scalar("jwt_issuer", Text, "", anyText(), func(c *Config) *string { return &c.JWTIssuer },
		"The iss claim that tokens get and must have. When empty it is neither set nor checked."),
	scalar("jwt_audience", Text, "", anyText(), func(c *Config) *string { return &c.JWTAudience },
		"The aud claim that tokens get and must have. When empty it is neither set nor checked."),
	scalar("access_ttl", Duration, "15m", span(time.Second, day, ""), func(c *Config) *time.Duration { return &c.AccessTTL },
		"How long a person's access token is valid."),
	scalar("device_access_ttl", Duration, "24h", span(time.Second, 30*day, ""), func(c *Config) *time.Duration { return &c.DeviceAccessTTL },
		"How long a device's access token is valid."),
	scalar("refresh_ttl", Duration, "30d", span(time.Second, 3650*day, ""), func(c *Config) *time.Duration { return &c.RefreshTTL },
		"How long a person stays logged in without using the session, at least access_ttl."),
	scalar("device_refresh_ttl", Duration, "365d", span(time.Second, 3650*day, ""), func(c *Config) *time.Duration { return &c.DeviceRefreshTTL },
		"How long a device stays logged in without using the session, at least device_access_ttl."),

	scalar("argon2_memory_kib", Integer, "19456", number[uint32](7168, 65536, "KiB"), func(c *Config) *uint32 { return &c.Argon2MemoryKiB },
		"Memory for hashing one password.").dev("8192"),
	scalar("argon2_time", Integer, "2", number[uint32](1, 10, "passes"), func(c *Config) *uint32 { return &c.Argon2Time },
		"Passes over that memory.").dev("1"),
	scalar("argon2_threads", Integer, "1", number[uint8](1, 4, "threads"), func(c *Config) *uint8 { return &c.Argon2Threads },
		"Threads for hashing one password."),
	scalar("argon2_concurrency", Integer, "1", number(1, 64, "passwords"), func(c *Config) *int { return &c.Argon2Concurrency },
		"Passwords hashed at the same time; each needs its memory. Others wait, and a few too many are told to come back."),
	scalar("password_min_length", Integer, "15", number(8, 64, "characters"), func(c *Config) *int { return &c.PasswordMinLength },
		"The shortest new password. Stored older ones keep working."),

	scalar("login_rate_per_ip", Integer, "20", number(0, 1_000_000, "attempts a minute"), func(c *Config) *int { return &c.LoginRatePerIP },
		"Attempts a minute with passwords and reset codes from one address (IPv6: one /64); 0 is no limit."),
	scalar("login_rate_per_account", Integer, "10", number(0, 1_000_000, "attempts a minute"), func(c *Config) *int { return &c.LoginRatePerAccount },
		"Attempts a minute with passwords for one account name; 0 is no limit."),
	scalar("lockout_threshold", Integer, "10", number(0, 10_000, "failures"), func(c *Config) *int { return &c.LockoutThreshold },
		"Failed logins in a row after which an account name is locked for passwords; 0 is no lock."),
	scalar("lockout_duration", Duration, "15m", span(time.Second, day, ""), func(c *Config) *time.Duration { return &c.LockoutDuration },
		"How long such a lock lasts. Device keys, refresh tokens and live connections are not touched."),
	scalar("reset_webhook", Text, "", webhookURL(), func(c *Config) *string { return &c.ResetWebhook },
		"Where codes for new passwords are posted as JSON, to be passed on. When empty, administrators see who asked in GET /users.").hiding(maskURL),

	scalar("max_connections", Integer, "10000", number(1, 1_000_000, "connections"), func(c *Config) *int { return &c.MaxConnections },
		"Live WebSocket connections. An idle one takes about 6 KiB of memory."),
	scalar("max_connections_per_ip", Integer, "0", number(0, 1_000_000, "connections"), func(c *Config) *int { return &c.MaxConnectionsPerIP },
		"Live WebSocket connections from one address, or one /64 of IPv6; 0 is no limit."),
	scalar("max_connections_per_account", Integer, "0", number(0, 1_000_000, "connections"), func(c *Config) *int { return &c.MaxConnectionsPerAccount },
		"Live WebSocket connections of one account; 0 is no limit."),
	scalar("max_rooms_per_connection", Integer, "128", number(1, 4096, "rooms"), func(c *Config) *int { return &c.MaxRoomsPerConnection },
		"Rooms that one connection may be subscribed to."),
	scalar("max_message_bytes", Integer, "65536", number(1<<10, 16<<20, "bytes"), func(c *Config) *int { return &c.MaxMessageBytes },
		"The largest frame that a client may send."),
	scalar("message_rate", Integer, "100", number(0, 1_000_000, "frames a second"), func(c *Config) *int { return &c.MessageRate },
		"Data frames a second from one connection; 0 is no limit."),
	scalar("ping_interval", Duration, "25s", span(time.Second, 10*time.Minute, ""), func(c *Config) *time.Duration { return &c.PingInterval },
		"How often connections are pinged. One that is silent for that and 10 s more is closed."),
	scalar("send_queue_bytes", Integer, "262144", number(4<<10, 64<<20, "bytes"), func(c *Config) *int { return &c.SendQueueBytes },
		"What may wait for one slow connection, at least twice max_message_bytes."),

	scalar("commit_window", Duration, "1s", span(time.Second, time.Minute, "commits back to back"), func(c *Config) *time.Duration { return &c.CommitWindow },
		"The shortest time between two commits of the history. It spares flash cards; rooms of the class fsynced do not wait for it."),
	scalar("backup_dir", Text, "", anyText(), func(c *Config) *string { return &c.BackupDir },
		"A folder for backups, best on another disk than data_dir; when empty, backups in data_dir. A damaged account store is mended from the newest when its own copy is damaged too."),
	scalar("backup_every", Duration, "0", span(time.Minute, 365*day, "no backups"), func(c *Config) *time.Duration { return &c.BackupEvery },
		"How often a backup is written to backup_dir and verified."),
	scalar("backup_keep", Integer, "7", number(1, 1000, "backups"), func(c *Config) *int { return &c.BackupKeep },
		"How many backups stay in backup_dir; the oldest go."),
	scalar("max_store_bytes", Integer, "0", orZero(number(16<<20, mostStoreBytes, "bytes"), "a quarter of the disk, 2147483648 at most"), func(c *Config) *int64 { return &c.MaxStoreBytes },
		"The largest history file. On 32-bit machines 268435456 is the most."),

	list("default_grants", "*:rw", grant(), func(c *Config) *gateway.Grants { return &c.DefaultGrants },
		"What people may do in which rooms when their account was given no grants of its own."),
	scalar("metrics_token_file", Text, "", anyText(), func(c *Config) *string { return &c.MetricsTokenFile },
		"A file with the bearer token that /metrics asks for. When empty, /metrics is open.").secret(),
	scalar("admin_password_file", Text, "", anyText(), func(c *Config) *string { return &c.AdminPasswordFile },
		"A file with the password of the account admin, made whenever there is no enabled admin; one trailing newline does not count. When empty, the systemd credential admin_password, if there is one.").secret().credential("admin_password"),
}

// roomTable is the option table of one [[rooms]] table.
var roomTable = []row[RoomRule]{
	scalar("match", Text, "", roomPattern(), func(r *RoomRule) *string { return &r.Match },
		"The rooms that this table is about."),
	scalar("durability", Text, "queued", choice(gateway.DurabilityMemory, gateway.DurabilityQueued, gateway.DurabilityFsynced),
		func(r *RoomRule) *gateway.Durability { return &r.Settings.Durability },
		"memory is never written; queued is announced at once and acknowledged after the commit; fsynced is announced after it too."),
	scalar("overflow", Text, "disconnect", choice(gateway.OverflowDisconnect, gateway.OverflowDropOldest, gateway.OverflowKeepLatest),
		func(r *RoomRule) *gateway.Overflow { return &r.Settings.Overflow },
		"What happens to a subscriber that reads too slowly."),
	scalar("max_messages", Integer, "100000", number[int64](1, 100_000_000, "messages"), func(r *RoomRule) *int64 { return &r.Settings.MaxMessages },
		"Messages kept in each room."),
	scalar("max_bytes", Integer, "67108864", number[int64](1, 1<<40, "bytes"), func(r *RoomRule) *int64 { return &r.Settings.MaxBytes },
		"Bytes of messages kept in each room."),
	scalar("max_age", Duration, "0", span(time.Second, 36500*day, "no limit"), func(r *RoomRule) *time.Duration { return &r.Settings.MaxAge },
		"How long messages are kept."),
}
