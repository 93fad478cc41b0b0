package wsedge

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkGuard walks streams in chunks of 4 KiB, as a busy socket gives them,
// with a frame rate that never ends the conversation.
func BenchmarkGuard(b *testing.B) {
	for _, n := range []int{0, 16, 125, 1000, 65_536} {
		b.Run(fmt.Sprintf("payload=%d", n), func(b *testing.B) {
			frame := guardFrame(0x82, guardBytes(n))
			frames := 1 + 1<<18/len(frame)
			stream := bytes.Repeat(frame, frames)
			now := int64(0)
			limits := &guardLimits{maxMessage: 1 << 16, frameRate: 1e6, frameBurst: 1e6, now: func() int64 { now += 1e9; return now }}
			g := newGuard(limits)
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, v := walkGuard(&g, stream, 4096); v != nil {
					b.Fatal(v)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(frames), "ns/frame")
		})
	}
}
