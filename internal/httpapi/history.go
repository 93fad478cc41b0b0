package httpapi

import (
	"net/http"
	"net/url"
	"strconv"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

func (a *API) getMessages(w http.ResponseWriter, r *http.Request) error {
	p, room, err := a.roomRequest(r)
	if err != nil {
		return err
	}
	if !p.May(gateway.RightRead, room) {
		return gateway.Errorf(gateway.CodeForbidden, "no grant to read this room; ask an administrator for one")
	}
	query, err := readQuery(r)
	if err != nil {
		return err
	}
	q, err := parseHistoryQuery(query)
	if err != nil {
		return err
	}
	page, err := a.opts.Rooms.Page(p, room, q)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	for _, link := range pageLinks(r.URL.Path, query, page) {
		h.Add("Link", link)
	}
	// A client that is gone gets nothing.
	a.writePage(w, room, page)
	return nil
}

// writePage makes the page in a buffer that the next one uses again: a page is
// large beside what else a small board has to collect.
func (a *API) writePage(w http.ResponseWriter, room gateway.RoomID, page gateway.HistoryPage) {
	const keep = 64 << 10
	buf, _ := a.pages.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	text := appendPage((*buf)[:0], room, page)
	_, _ = w.Write(text) // #nosec G705 -- JSON, announced as such with nosniff; never a page
	if *buf = text; cap(text) <= keep {
		a.pages.Put(buf)
	}
}

// parseHistoryQuery reads the query strictly: a parameter that is unknown, given
// twice or out of range is CodeInvalidRequest.
func parseHistoryQuery(query url.Values) (gateway.HistoryQuery, error) {
	q := gateway.HistoryQuery{Limit: gateway.DefaultHistoryLimit}
	q.OldestFirst = query.Has("after") || query.Has("from")
	for name, values := range query {
		low, high := uint64(0), uint64(mostNumber)
		var set func(uint64)
		switch name {
		case "limit":
			low, high = gateway.MinHistoryLimit, gateway.MaxHistoryLimit
			set = func(n uint64) { q.Limit = int(n) }
		case "after":
			set = func(n uint64) { q.After = gateway.Seq(n) }
		case "before":
			low = 1
			set = func(n uint64) { q.Before = gateway.Seq(n) }
		case "from":
			set = func(n uint64) { q.From = gateway.Timestamp(n) }
		case "to":
			low = 1
			set = func(n uint64) { q.To = gateway.Timestamp(n) }
		default:
			return q, gateway.Errorf(gateway.CodeInvalidRequest,
				"a query parameter is unknown; use limit, before, after, from or to")
		}
		n, err := number(name, values, low, high)
		if err != nil {
			return q, err
		}
		set(n)
	}
	return q, nil
}

// appendPage writes the page by hand: a message's data goes out as it came in.
func appendPage(dst []byte, room gateway.RoomID, page gateway.HistoryPage) []byte {
	dst = append(dst, `{"room":`...)
	dst = wire.AppendQuoted(dst, string(room))
	dst = append(dst, `,"epoch":`...)
	dst = wire.AppendQuoted(dst, string(page.Head.Epoch))
	dst = append(dst, `,"messages":[`...)
	for i := range page.Messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendHistoryMessage(dst, &page.Messages[i])
	}
	dst = append(dst, ']')
	if next, ok := nextOf(page); ok {
		dst = append(dst, `,"next":`...)
		dst = strconv.AppendUint(dst, uint64(next), 10)
	}
	if prev, ok := prevOf(page); ok {
		dst = append(dst, `,"prev":`...)
		dst = strconv.AppendUint(dst, uint64(prev), 10)
	}
	return append(dst, "}\n"...)
}

// nextOf is the seq to give as `after` for the page behind this one.
func nextOf(page gateway.HistoryPage) (gateway.Seq, bool) {
	if n := len(page.Messages); n > 0 && page.Newer {
		return page.Messages[n-1].Seq, true
	}
	return 0, false
}

// prevOf is the seq to give as `before` for the page before this one.
func prevOf(page gateway.HistoryPage) (gateway.Seq, bool) {
	if len(page.Messages) > 0 && page.Older {
		return page.Messages[0].Seq, true
	}
	return 0, false
}

// pageLinks are RFC 8288 links to the pages around this one. The time range and
// the limit stay; a start in time does not, where it would turn the direction.
func pageLinks(path string, query url.Values, page gateway.HistoryPage) []string {
	var links []string
	link := func(cursor string, seq gateway.Seq, rel string) {
		to := url.Values{cursor: {strconv.FormatUint(uint64(seq), 10)}}
		for _, keep := range []string{"limit", "to"} {
			if query.Has(keep) {
				to.Set(keep, query.Get(keep))
			}
		}
		links = append(links, "<"+path+"?"+to.Encode()+`>; rel="`+rel+`"`)
	}
	if next, ok := nextOf(page); ok {
		link("after", next, "next")
	}
	if prev, ok := prevOf(page); ok {
		link("before", prev, "prev")
	}
	return links
}
