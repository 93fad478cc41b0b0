package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"edgegw/internal/boltstore"
	"edgegw/internal/gateway"
)

const (
	// backupRetry is when a backup that failed is tried again, if that is sooner
	// than the next.
	backupRetry = 10 * time.Minute
	// backupPoll is how often it is asked whether a backup is due: the logical
	// clock may jump.
	backupPoll = 10 * time.Second
)

// The kinds of backups, as they stand in the audit.
const (
	backupByTimer   = "timer"
	backupByCommand = "command"
	backupDownload  = "download"
	downloadBegun   = "download_begun"
)

// archive writes a backup for somebody who has asked for one. It returns
// CodeConflict while another is being made.
func (a *App) archive(ctx context.Context, w io.Writer) error {
	return a.alone(func() error {
		return backupSource{a.cfg, a.identity, a.history, a.clock.Now}.write(ctx, w)
	})
}

// archiveDone notes what became of an archive at the command line.
func (a *App) archiveDone(ctx context.Context, good bool) error {
	if !good {
		return a.accounts.NoteResult(ctx, gateway.EventBackup, gateway.ResultFailed, backupByCommand)
	}
	return a.noteBackup(ctx, backupByCommand)
}

// download writes a backup for an administrator elsewhere. That it begins is in
// the audit before the first byte, since every secret goes along; how it ended is
// too, and only one that was sent to its end counts. More than that nobody here
// can know of it.
func (a *App) download(ctx context.Context, w io.Writer) error {
	return a.alone(func() error {
		if err := a.accounts.Note(ctx, gateway.EventBackup, "", downloadBegun); err != nil {
			return err
		}
		err := backupSource{a.cfg, a.identity, a.history, a.clock.Now}.write(ctx, w)
		if out, ok := w.(interface{ FlushError() error }); ok && err == nil {
			err = out.FlushError() // what waits in a buffer was not sent
		}
		if err != nil {
			return errors.Join(err, a.accounts.NoteResult(ctx, gateway.EventBackup, gateway.ResultFailed, backupDownload))
		}
		return a.noteBackup(ctx, backupDownload)
	})
}

func (a *App) alone(do func() error) error {
	if a.archiving.Swap(true) {
		return gateway.Errorf(gateway.CodeConflict, "a backup is being made already; try again when it is done")
	}
	defer a.archiving.Store(false)
	return do()
}

func (a *App) noteBackup(ctx context.Context, how string) error {
	now := a.clock.Now()
	err := a.identity.Update(func(tx *boltstore.IdentityTx) error {
		return tx.SetLastBackup(gateway.Timestamp(now.UnixMilli()))
	})
	if err != nil {
		return err
	}
	a.lastBackup.Store(now.UnixMilli())
	return a.accounts.Note(ctx, gateway.EventBackup, "", how)
}

// noteMended audits what was mended when the stores were opened, and learns when
// the last backup was.
func (a *App) noteMended(ctx context.Context) error {
	ctx = gateway.WithOrigin(ctx, gateway.Origin{Actor: gateway.ActorGateway})
	for _, m := range a.mended {
		if err := a.accounts.Note(ctx, gateway.EventQuarantine, "", m.store); err != nil {
			return err
		}
	}
	return a.identity.View(func(tx *boltstore.IdentityTx) error {
		a.lastBackup.Store(int64(tx.LastBackup()))
		return nil
	})
}

// backupAge is in seconds, -1 without a backup.
func (a *App) backupAge() int64 {
	last := a.lastBackup.Load()
	if last == 0 {
		return -1
	}
	return max(0, (a.clock.Now().UnixMilli()-last)/1000)
}

// runBackups writes a backup whenever the newest in the folder is old enough.
func (a *App) runBackups(ctx context.Context, ready func()) error {
	ready()
	if err := sweepBackups(a.cfg); err != nil {
		a.logger.Warn("what a killed backup has left cannot be removed", "event", "backup_leftovers", "reason", err.Error())
	}
	poll := time.NewTicker(backupPoll)
	defer poll.Stop()
	var failed time.Time
	for {
		now := a.clock.Now()
		if due := a.nextBackup(); !now.Before(due) && (failed.IsZero() || now.Sub(failed) >= min(backupRetry, a.cfg.BackupEvery)) {
			failed = time.Time{}
			if err := a.backupNow(ctx); err != nil && ctx.Err() == nil {
				failed = now
				said := fmt.Sprintf("failed at %s: %v", now.UTC().Format(time.RFC3339), err)
				a.backupFailed.Store(&said)
				a.logger.Error("the backup failed", "event", "backup_failed", "reason", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		}
	}
}

// nextBackup is told by the name of the newest, which says when it was made. One
// from a time that is still to come does not keep others from being made.
func (a *App) nextBackup() time.Time {
	now := a.clock.Now()
	list, err := ownBackups(a.cfg)
	if list = byAge(list, now); err != nil || len(list) == 0 {
		return time.Time{}
	}
	newest := list[len(list)-1].made
	if newest.After(now) {
		return time.Time{}
	}
	return newest.Add(a.cfg.BackupEvery)
}

func (a *App) backupNow(ctx context.Context) error {
	if err := os.MkdirAll(backupDir(a.cfg), 0o700); err != nil {
		return err
	}
	path := filepath.Join(backupDir(a.cfg), backupName(a.cfg.Site, a.clock.Now()))
	err := a.alone(func() error {
		return writeArchive(path, func(w io.Writer) error {
			return backupSource{a.cfg, a.identity, a.history, a.clock.Now}.write(ctx, w)
		})
	})
	if err != nil {
		return err
	}
	a.backupFailed.Store(nil)
	a.logger.Info("a backup was made and verified", "event", "backup", "path", path)
	ctx = gateway.WithOrigin(ctx, gateway.Origin{Actor: gateway.ActorGateway})
	return errors.Join(a.noteBackup(ctx, backupByTimer), a.pruneBackups())
}

// pruneBackups keeps the newest. Files of others stay.
func (a *App) pruneBackups() error {
	list, err := ownBackups(a.cfg)
	if err != nil {
		return err
	}
	list = byAge(list, a.clock.Now())
	var errs []error
	for len(list) > a.cfg.BackupKeep {
		errs = append(errs, os.Remove(list[0].path))
		list = list[1:]
	}
	return errors.Join(errs...)
}
