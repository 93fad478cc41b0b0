package gateway

// HistoryQuery selects a page of a room's history. Zero members do not limit.
type HistoryQuery struct {
	// After and Before bound the seqs, both exclusive.
	After, Before Seq
	// From (inclusive) and To (exclusive) bound the timestamps.
	From, To Timestamp
	// Limit is the most messages in the page, MinHistoryLimit to
	// MaxHistoryLimit.
	Limit int
	// OldestFirst asks for the oldest messages in the range instead of the
	// newest. Either way the page is ascending by seq.
	OldestFirst bool
}

// HistoryPage is a page of a room's history, ascending by seq.
type HistoryPage struct {
	Head     RoomHead
	Messages []Message
	// Older and Newer say whether the room keeps messages inside the
	// query's time range before the first and after the last of the page.
	Older, Newer bool
}
