package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

// MaxImport is the most lines of one import.
const MaxImport = 10_000

// maxShown bounds how much of a name that is none is shown in a report.
const maxShown = 64

// batch is an import on its way: the accounts that can be made, and the lines
// that cannot.
type batch struct {
	good []candidate
	bad  []BadLine
}

type candidate struct {
	line    int
	account gateway.Account
	hash    password.Imported // a person's, as it was given
}

func checkImport(lines int) error {
	switch {
	case lines == 0:
		return gateway.Errorf(gateway.CodeInvalidRequest, "there is nothing to import")
	case lines > MaxImport:
		return gateway.Errorf(gateway.CodeInvalidRequest, "an import has at most %d lines; split it", MaxImport)
	}
	return nil
}

// refuse notes what is wrong with a line. The report is for the terminal of
// whoever imports: names are cut short and freed of what a terminal would obey.
func (b *batch) refuse(line int, name, problem string) {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, name)
	if len(name) > maxShown {
		name = strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	b.bad = append(b.bad, BadLine{Line: line, Name: name, Problem: problem})
}

// sift keeps the candidates for which problem returns "".
func (b *batch) sift(problem func(candidate) (string, error)) error {
	var failed error
	b.good = slices.DeleteFunc(b.good, func(c candidate) bool {
		what, err := problem(c)
		failed = errors.Join(failed, err)
		if what != "" {
			b.refuse(c.line, string(c.account.Name), what)
		}
		return what != ""
	})
	return failed
}

// stops reports whether the import ends here: something is bad and that is not to
// be skipped, or nothing is good.
func (b *batch) stops(skipBad bool) bool {
	return len(b.bad) > 0 && !skipBad || len(b.good) == 0
}

// report tells what was done; added is 0 when nothing was.
func (b *batch) report(added int) ImportReport {
	slices.SortStableFunc(b.bad, func(x, y BadLine) int { return cmp.Compare(x.Line, y.Line) })
	return ImportReport{Added: added, Bad: b.bad}
}

// once sifts out what a line before has already; key names what must differ, for
// example the account's name.
func (b *batch) once(what string, key func(candidate) string) {
	first := make(map[string]int, len(b.good))
	_ = b.sift(func(c candidate) (string, error) {
		k := key(c)
		if line, twice := first[k]; twice {
			return fmt.Sprintf("the same %s is on line %d", what, line), nil
		}
		first[k] = c.line
		return "", nil
	})
}

// free sifts out what the store has already.
func (b *batch) free(tx Tx) error {
	return b.sift(func(c candidate) (string, error) {
		err := vacant(tx, c.account.Name)
		for _, k := range c.account.Keys {
			if err == nil {
				err = unusedKey(tx, k.Hash)
			}
		}
		if gateway.CodeOf(err) == gateway.CodeConflict {
			return gateway.AsError(err).Message, nil
		}
		return "", err
	})
}

// lookUp sifts before the work that a batch costs is spent on it.
func (s *Service) lookUp(b *batch) error {
	return wrap("accounts.import", s.opts.Store.View(b.free))
}

// commit stores the batch in one transaction. What has become of names and keys
// since the batch was looked up counts.
func (s *Service) commit(ctx context.Context, b *batch, event gateway.Event, skipBad bool) (ImportReport, error) {
	added := 0
	err := s.update(ctx, func(tx Tx, log *journal) error {
		if err := b.free(tx); err != nil {
			return err
		}
		if b.stops(skipBad) {
			return nil
		}
		for _, c := range b.good {
			if err := tx.PutAccount(c.account); err != nil {
				return err
			}
			s.noteAdmin(log, c.account)
		}
		added = len(b.good)
		log.add(event, "", fmt.Sprintf("added=%d skipped=%d", added, len(b.bad)))
		return nil
	})
	if err != nil {
		return ImportReport{}, err
	}
	return b.report(added), nil
}
