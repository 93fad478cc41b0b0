package adminsock

import (
	"context"

	"edgegw/internal/gateway"
)

// Checked is what was found in a file. Damaged is 0 when all of it is sound.
type Checked struct {
	File     string   `json:"file"`
	Kind     string   `json:"kind"`
	Schema   uint32   `json:"schema"`
	Values   int      `json:"values"`
	Damaged  int      `json:"damaged"`
	Problems []string `json:"problems,omitempty"`
}

// Compacted is how large a file was, and is, in bytes.
type Compacted struct {
	File   string `json:"file"`
	Before int64  `json:"before"`
	After  int64  `json:"after"`
}

// Care is Admin's part about the files.
type Care interface {
	// Check looks at all that is stored, while the gateway goes on.
	Check(context.Context) ([]Checked, error)
	// Compact gives free space back to the disk. Commits and reads wait
	// meanwhile. It returns CodeStorageFull when there is no space for the new
	// files.
	Compact(context.Context) ([]Compacted, error)
}

var errNoFiles = gateway.Errorf(gateway.CodeUnavailable, "there are no files to look at")

// Check implements Care.
func (d Direct) Check(ctx context.Context) ([]Checked, error) {
	if d.Files == nil {
		return nil, errNoFiles
	}
	return d.Files.Check(ctx)
}

// Compact implements Care.
func (d Direct) Compact(ctx context.Context) ([]Compacted, error) {
	if d.Files == nil {
		return nil, errNoFiles
	}
	return d.Files.Compact(ctx)
}

// Check implements Care.
func (c *Client) Check(ctx context.Context) ([]Checked, error) {
	return askLong[[]Checked](ctx, c, "check", struct{}{})
}

// Compact implements Care.
func (c *Client) Compact(ctx context.Context) ([]Compacted, error) {
	return askLong[[]Compacted](ctx, c, "compact", struct{}{})
}
