package adminsock

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"edgegw/internal/gateway"
)

// The trailers in which the end of an archive says how it went: its errors come
// when the answer has begun.
const (
	codeTrailer    = "X-Code"
	messageTrailer = "X-Message"
)

// Backup implements Backups.
func (d Direct) Backup(ctx context.Context, w io.Writer) error {
	if d.Archive == nil {
		return gateway.Errorf(gateway.CodeUnavailable, "there is nothing to make a backup of")
	}
	return d.Archive(origin(ctx), w)
}

// BackupDone implements Backups.
func (d Direct) BackupDone(ctx context.Context, good bool) error {
	if d.ArchiveDone == nil {
		return gateway.Errorf(gateway.CodeUnavailable, "there is no gateway to note a backup")
	}
	return d.ArchiveDone(origin(ctx), good)
}

// archive streams what do writes.
func archive(do func(context.Context, io.Writer) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-tar")
		w.Header().Set("Trailer", codeTrailer+", "+messageTrailer)
		err := do(r.Context(), w)
		if err != nil {
			e := gateway.AsError(err)
			w.Header().Set(codeTrailer, string(e.Code))
			w.Header().Set(messageTrailer, fmt.Sprintf("%q", e.Error()))
			return
		}
		w.Header().Set(codeTrailer, "ok")
	})
}

// BackupDone implements Backups.
func (c *Client) BackupDone(ctx context.Context, good bool) error {
	return c.do(ctx, "backup/done", good)
}

// Backup implements Backups.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/backup", http.NoBody)
	if err != nil {
		return err
	}
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("the gateway does not answer at %s: %w", c.path, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the gateway at %s knows no backup (%s); is it another version than this command?", c.path, res.Status)
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("the backup was cut off: %w", err)
	}
	switch code := res.Trailer.Get(codeTrailer); code {
	case "ok":
		return nil
	case "":
		return gateway.Errorf(gateway.CodeUnavailable, "the backup was cut off; try again")
	default:
		return gateway.Errorf(gateway.Code(code), "%s", res.Trailer.Get(messageTrailer))
	}
}
