package accounts

import (
	"context"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

// ImportUsers adds people together with the hashes of their passwords. Unless
// skipBad is set, one bad line means that nobody is imported; the report tells of
// every bad line either way, and that is no error. It returns CodeInvalidRequest
// when there is nothing to import, or more than MaxImport lines, and CodeBusy
// when ctx ends before all is hashed: nothing is imported then.
//
// Legacy hashes are wrapped before anything is stored, one Argon2 hash each, one
// at a time: thousands take minutes, during which people log in as usual. Names
// that are taken meanwhile count as bad lines.
func (s *Service) ImportUsers(ctx context.Context, list []ImportUser, skipBad bool) (ImportReport, error) {
	if err := checkImport(len(list)); err != nil {
		return ImportReport{}, err
	}
	b := &batch{}
	for i := range list {
		in := &list[i]
		c, err := s.readUser(in)
		if err != nil {
			b.refuse(in.Line, in.Name, gateway.AsError(err).Message)
			continue
		}
		b.good = append(b.good, c)
	}
	b.once("name", func(c candidate) string { return string(c.account.Name) })
	if err := s.lookUp(b); err != nil {
		return ImportReport{}, err
	}
	if b.stops(skipBad) {
		return b.report(0), nil
	}
	for i := range b.good {
		c := &b.good[i]
		stored, err := s.opts.Hasher.Wrap(ctx, c.hash)
		if err != nil {
			return ImportReport{}, err
		}
		c.account.PasswordHash = stored
	}
	return s.commit(ctx, b, gateway.EventUsersImported, skipBad)
}

func (s *Service) readUser(in *ImportUser) (candidate, error) {
	c := candidate{line: in.Line}
	if in.Err != nil {
		return c, in.Err
	}
	var err error
	if c.account, err = s.draft(NewAccount{Name: gateway.AccountName(in.Name), Role: gateway.Role(in.Role)}); err != nil {
		return c, err
	}
	c.hash, err = password.Adopt(in.Hash)
	return c, err
}
