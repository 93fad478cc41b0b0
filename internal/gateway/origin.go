package gateway

import "context"

// Origin says where a request came from, for logs and for limits.
type Origin struct {
	// IP is the client's address, taken from a trusted proxy's header when
	// there is one.
	IP        string
	RequestID string
}

type originKey struct{}

// WithOrigin notes where the request of ctx came from.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns what WithOrigin noted, or an empty Origin.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}
