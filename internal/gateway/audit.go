package gateway

// Event names what happened in the audit and in the log. The list is append-only.
type Event string

// The events.
const (
	EventLogin           Event = "login" // of people and devices, also refused ones
	EventAccountLocked   Event = "account_locked"
	EventAccountUnlocked Event = "account_unlocked"
	EventRefreshReused   Event = "refresh_reused"
	EventLogout          Event = "logout"
	EventSessionEnded    Event = "session_ended"

	EventPasswordChanged Event = "password_changed"
	EventResetRequested  Event = "reset_requested"
	EventResetIssued     Event = "reset_issued"
	EventResetUsed       Event = "reset_used"
	EventHashUnwrapped   Event = "hash_unwrapped"

	EventAccountCreated  Event = "account_created"
	EventAccountDisabled Event = "account_disabled"
	EventAccountEnabled  Event = "account_enabled"
	EventAccountDeleted  Event = "account_deleted"
	EventRoleChanged     Event = "role_changed"
	EventGrantsChanged   Event = "grants_changed"
	EventUsersImported   Event = "users_imported"

	EventDeviceCreated    Event = "device_created"
	EventDeviceChanged    Event = "device_changed" // its room
	EventDeviceDisabled   Event = "device_disabled"
	EventDeviceEnabled    Event = "device_enabled"
	EventDeviceDeleted    Event = "device_deleted"
	EventDeviceKeyRotated Event = "device_key_rotated"
	EventDevicesImported  Event = "devices_imported"

	EventSigningKeyRotated Event = "signing_key_rotated"
	EventTokenIssued       Event = "token_issued"
	EventSetup             Event = "setup"
	EventSocketCut         Event = "socket_cut"

	EventBackup     Event = "backup"
	EventRestore    Event = "restore"
	EventQuarantine Event = "quarantine" // a damaged store was mended
	EventClockSet   Event = "clock_set"
	EventClockReset Event = "clock_reset"
)

// Events lists every event once, in the order above.
var Events = []Event{
	EventLogin, EventAccountLocked, EventAccountUnlocked, EventRefreshReused, EventLogout, EventSessionEnded,
	EventPasswordChanged, EventResetRequested, EventResetIssued, EventResetUsed, EventHashUnwrapped,
	EventAccountCreated, EventAccountDisabled, EventAccountEnabled, EventAccountDeleted, EventRoleChanged,
	EventGrantsChanged, EventUsersImported,
	EventDeviceCreated, EventDeviceChanged, EventDeviceDisabled, EventDeviceEnabled, EventDeviceDeleted,
	EventDeviceKeyRotated, EventDevicesImported,
	EventSigningKeyRotated, EventTokenIssued, EventSetup, EventSocketCut,
	EventBackup, EventRestore, EventQuarantine, EventClockSet, EventClockReset,
}

// Result is how an audited event went.
type Result string

// The results.
const (
	ResultOK     Result = "ok"
	ResultFailed Result = "failed"
)

// AuditEvent is one record of the audit. None of its members ever holds a secret.
type AuditEvent struct {
	// Seq numbers the events from 1; the store gives it.
	Seq   uint64
	TS    Timestamp
	Event Event
	// Actor is who did it: an account, one of the Actor constants, or "" for
	// a stranger. Subject is the account, session or key that it was done to.
	Actor, Subject string
	IP             string
	Result         Result
	// Reason is one stable word, or "".
	Reason string
	// Count is how many equal events the record stands for, at least 1.
	Count uint32
}

// Routine reports whether the event comes with everyday use or can be caused by
// strangers. The store bounds those apart from the others, so that nobody can
// flush a change of rights out of the audit by failing to log in.
func (e *AuditEvent) Routine() bool {
	switch e.Event {
	case EventLogin, EventLogout, EventAccountLocked, EventResetRequested:
		return true
	}
	return false
}
