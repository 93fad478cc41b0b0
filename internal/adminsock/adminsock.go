// Package adminsock is the unix socket between the running gateway and its own
// command line: HTTP with JSON, for whoever may open the socket's file (mode
// 0600). Nothing else can reach it, so it asks for no password.
//
// It is no public interface: both ends are one binary. The API for
// administrators is in httpapi.
package adminsock

import (
	"context"
	"io"
	"path/filepath"
)

// Path is where the socket of a data folder is.
func Path(dataDir string) string { return filepath.Join(dataDir, "admin.sock") }

// Admin is what the command line can do, on the running gateway (Client) or on
// the closed store (Direct). A name, role, room, grant or file out of shape is
// CodeInvalidRequest everywhere, and a name that no account of the kind has
// CodeNotFound. Client also fails when the gateway does not answer.
type Admin interface {
	Setups
	Users
	Devices
	Tokens
	Backups
	Clocks
	Care
}

// Users is Admin's part about people.
type Users interface {
	// AddUser makes an account. It returns CodeConflict for a name that is
	// taken, CodeWeakPassword with what to do, and CodeBusy.
	AddUser(context.Context, NewUser) error
	// ListUsers returns everyone.
	ListUsers(context.Context) (UserList, error)
	// UpdateUser changes all that the patch says, or nothing. It returns
	// CodeConflict when the last enabled administrator would go,
	// CodeWeakPassword with what to do, and CodeBusy.
	UpdateUser(context.Context, UserPatch) error
	// UnlockUser forgets failed logins; it is no error if there were none.
	UnlockUser(ctx context.Context, name string) error
	// ResetUser makes a code that sets a new password once, and voids the one
	// before. It returns CodeConflict for a disabled account.
	ResetUser(ctx context.Context, name string) (ResetCode, error)
	// DeleteUser returns CodeConflict when the last enabled administrator
	// would go.
	DeleteUser(ctx context.Context, name string) error
	// ImportUsers makes an account of each line. Bad lines are in the report
	// and no error. It returns CodeTooLarge for a larger file, and CodeBusy.
	ImportUsers(context.Context, Import) (ImportReport, error)
}

// Devices is Admin's part about machines.
type Devices interface {
	// AddDevice makes an account and its key. It returns CodeConflict for a
	// name that is taken.
	AddDevice(context.Context, NewDevice) (DeviceKey, error)
	// ListDevices returns all devices.
	ListDevices(context.Context) (DeviceList, error)
	// UpdateDevice changes all that the patch says, or nothing.
	UpdateDevice(context.Context, DevicePatch) error
	// RotateDeviceKey makes a new key; the old one works on for a while.
	RotateDeviceKey(ctx context.Context, name string) (DeviceKey, error)
	// DeleteDevice removes the account with its keys.
	DeleteDevice(ctx context.Context, name string) error
	// ImportDevices is for devices what ImportUsers is for people.
	ImportDevices(context.Context, Import) (ImportReport, error)
}

// Tokens is Admin's part about access tokens and the keys that sign them.
type Tokens interface {
	// IssueToken makes a token for a person or a device. It returns
	// CodeConflict for a disabled account.
	IssueToken(context.Context, TokenRequest) (Token, error)
	// InspectToken says what is in a token and whether it is good. That it is
	// not is no error.
	InspectToken(ctx context.Context, raw string) (Inspection, error)
	// RotateKey makes a new signing key. It returns CodeConflict when the key
	// is not the gateway's to change, and CodeUnavailable when its file cannot
	// be written.
	RotateKey(context.Context) (KeyRotation, error)
}

// Clocks is Admin's part about the time.
type Clocks interface {
	// ShowClock tells what the gateway takes for the time.
	ShowClock(context.Context) (Clock, error)
	// SetClock moves the gateway's time forward, and has it trusted. It returns
	// CodeConflict for a time that is over, and for one that is more than a year
	// ahead unless that is forced, and CodeInvalidRequest for one that cannot be.
	SetClock(context.Context, NewTime) (Clock, error)
	// ResetClock has the next start begin at the system's time. It returns
	// CodeConflict when that is not set either.
	ResetClock(context.Context) (Clock, error)
}

// Backups are what `edgegw backup` asks for.
type Backups interface {
	// Backup writes an archive of the gateway, while it goes on. What was
	// written is whole when Backup returns nil, and counts for the gateway once
	// BackupDone says so. It returns CodeConflict while another one is being
	// made.
	Backup(context.Context, io.Writer) error
	// BackupDone tells the gateway whether what Backup has written is in its
	// place and verified, which only the one who has the file can say.
	BackupDone(ctx context.Context, good bool) error
}
