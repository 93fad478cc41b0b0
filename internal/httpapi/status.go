package httpapi

import (
	"context"
	"net/http"
	"time"
)

// BoardStatus is how the gateway and its machine are, for whoever looks after them.
// What cannot be told is left out.
type BoardStatus struct {
	Version    string            `json:"version"`
	Site       string            `json:"site,omitempty"`
	Uptime     int64             `json:"uptime"`      // seconds
	ServerTime int64             `json:"server_time"` // Unix milliseconds
	Clock      string            `json:"clock"`
	Health     HealthStatus      `json:"health"`
	Checks     map[string]string `json:"checks"`
	Pressure   int               `json:"pressure"`

	Memory      MemoryStatus `json:"memory"`
	Disk        DiskStatus   `json:"disk"`
	Stores      StoreStatus  `json:"stores"`
	Wear        WearStatus   `json:"wear"`
	Temperature *float64     `json:"temperature_c,omitempty"`
	BackupAge   *int64       `json:"backup_age,omitempty"` // seconds; none without a backup
	TLS         *TLSStatus   `json:"tls,omitempty"`
	URLs        []string     `json:"urls"` // where browsers find the gateway

	Connections int          `json:"connections"`
	Rooms       int          `json:"rooms"`
	Received    float64      `json:"messages_per_second"`
	Delivered   float64      `json:"delivered_per_second"`
	Dropped     uint64       `json:"dropped"` // since the start
	Devices     DeviceStatus `json:"devices"`
}

// MemoryStatus is in bytes: what is resident, and what is planned with.
type MemoryStatus struct {
	Used  int64 `json:"used_bytes"`
	Limit int64 `json:"limit_bytes"`
}

// DiskStatus is of the data folder's file system, in bytes.
type DiskStatus struct {
	Free  int64 `json:"free_bytes"`
	Total int64 `json:"total_bytes"`
}

// StoreStatus is the size of both stores and what they may grow to, in bytes.
type StoreStatus struct {
	Identity int64 `json:"identity_bytes"`
	History  int64 `json:"history_bytes"`
	Limit    int64 `json:"history_limit_bytes"`
}

// WearStatus is what the gateway has written to its card since the start.
type WearStatus struct {
	Written int64 `json:"written_bytes"`
	PerDay  int64 `json:"bytes_per_day,omitempty"` // left out in the first minute
}

// TLSStatus is the certificate in use. Pin is the CA's, as firmware wants it.
type TLSStatus struct {
	Expires int64  `json:"expires_in"` // seconds
	Pin     string `json:"ca_pin,omitempty"`
}

// DeviceStatus counts the devices.
type DeviceStatus struct {
	Connected int `json:"connected"`
	Offline   int `json:"offline"`
	Never     int `json:"never"`
}

// Trend is what has been lately: one value for each step, the oldest first.
type Trend struct {
	Step        int64     `json:"step_ms"`
	End         int64     `json:"end"` // of the newest, Unix milliseconds
	Connections []float64 `json:"connections"`
	Received    []float64 `json:"messages_per_second"`
	Delivered   []float64 `json:"delivered_per_second"`
	Dropped     []float64 `json:"dropped_per_second"`
}

// Setting is an option in force. Value is as the configuration file has it.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
	Where  string `json:"where,omitempty"`
}

// SiteTime is the gateway's time and how far it is trusted.
type SiteTime struct {
	Time  int64  `json:"time"` // Unix milliseconds
	State string `json:"state"`
}

// Board tells of gateway and machine.
type Board interface {
	// Status is of the moment.
	Status() BoardStatus
	// Trend is of the last fifteen minutes.
	Trend() Trend
	// Settings are all options, without secrets, which are files.
	Settings() []Setting
	// Time is the gateway's.
	Time(ctx context.Context) (SiteTime, error)
	// SetTime returns CodeInvalidRequest for what cannot be the time, and
	// CodeConflict for what lies behind, or far ahead.
	SetTime(ctx context.Context, to time.Time) (SiteTime, error)
}

func (a *API) boardRoutes() []route {
	return []route{
		{path: "/status", class: classAdmin, methods: do{"GET": a.admin(a.status)}},
		{path: "/status/history", class: classAdmin, methods: do{"GET": a.admin(a.trend)}},
		{path: "/settings", class: classAdmin, methods: do{"GET": a.admin(a.settings)}},
		{path: "/clock", class: classAdmin, methods: do{"GET": a.admin(a.getTime), "PUT": a.admin(a.putTime)}},
	}
}

func (a *API) status(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, a.opts.Board.Status())
}

func (a *API) trend(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, a.opts.Board.Trend())
}

func (a *API) settings(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string][]Setting{"settings": a.opts.Board.Settings()})
}

func (a *API) getTime(w http.ResponseWriter, r *http.Request) error {
	t, err := a.opts.Board.Time(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, t)
}

type timeRequest struct {
	Time int64 `json:"time" required:"true"`
}

func (a *API) putTime(w http.ResponseWriter, r *http.Request) error {
	var req timeRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	t, err := a.opts.Board.SetTime(r.Context(), time.UnixMilli(req.Time))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, t)
}
