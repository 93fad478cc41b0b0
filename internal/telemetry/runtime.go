package telemetry

import (
	"bytes"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// runtimeFamilies are the metrics of the Go runtime and the process that are
// kept, of about three times as many, with the HELP and TYPE that the library
// leaves out.
var runtimeFamilies = [][3]string{
	{"go_info", "gauge", "Always 1; the label names the version of Go."},
	{"go_goroutines", "gauge", "Goroutines that exist."},
	{"go_threads", "gauge", "Threads of the operating system that were made."},
	{"go_gomaxprocs", "gauge", "Processors that run Go code at the same time."},
	{"go_memlimit_bytes", "gauge", "Soft limit of the Go runtime's memory."},
	{"go_gc_duration_seconds", "summary", "Pauses for garbage collection."},
	{"go_gc_cpu_seconds_total", "counter", "Processor time spent on garbage collection."},
	{"go_memstats_alloc_bytes", "gauge", "Bytes of objects on the heap."},
	{"go_memstats_alloc_bytes_total", "counter", "Bytes of objects that were ever allocated."},
	{"go_memstats_mallocs_total", "counter", "Objects that were ever allocated."},
	{"go_memstats_heap_objects", "gauge", "Objects on the heap."},
	{"go_memstats_heap_inuse_bytes", "gauge", "Heap memory in use."},
	{"go_memstats_heap_idle_bytes", "gauge", "Heap memory that waits to be used."},
	{"go_memstats_heap_released_bytes", "gauge", "Heap memory given back to the operating system."},
	{"go_memstats_stack_inuse_bytes", "gauge", "Memory of goroutine stacks."},
	{"go_memstats_next_gc_bytes", "gauge", "Size of the heap at which the next collection starts."},
	{"go_memstats_sys_bytes", "gauge", "Memory obtained from the operating system."},
	{"process_cpu_seconds_total", "counter", "Processor time, user and system."},
	{"process_resident_memory_bytes", "gauge", "Resident memory."},
	{"process_resident_memory_peak_bytes", "gauge", "Most resident memory since the start."},
	{"process_virtual_memory_bytes", "gauge", "Virtual memory."},
	{"process_start_time_seconds", "gauge", "Start of the process, in Unix seconds."},
	{"process_open_fds", "gauge", "Open file descriptors."},
	{"process_max_fds", "gauge", "Most file descriptors that may be open."},
	{"process_io_read_bytes_total", "counter", "Bytes read through system calls, sockets included."},
	{"process_io_written_bytes_total", "counter", "Bytes written through system calls, sockets included."},
	{"process_io_storage_read_bytes_total", "counter", "Bytes fetched from storage."},
	{"process_io_storage_written_bytes_total", "counter", "Bytes sent to storage."},
}

// writeRuntime writes the runtime families that the library knows on this
// machine.
func writeRuntime(w *bytes.Buffer) {
	var all bytes.Buffer
	metrics.WriteProcessMetrics(&all)
	metrics.WriteFDMetrics(&all)

	samples := make(map[string]string, len(runtimeFamilies))
	for line := range strings.Lines(all.String()) {
		name := familyOf(line)
		samples[name] += line
	}
	for _, f := range runtimeFamilies {
		if lines := samples[f[0]]; lines != "" {
			writeHead(w, f[0], f[1], f[2])
			w.WriteString(lines)
		}
	}
}

// familyOf gives the family of a sample line. The only family with suffixes
// among those kept is the summary of pauses.
func familyOf(line string) string {
	name := line
	if i := strings.IndexAny(line, "{ "); i >= 0 {
		name = line[:i]
	}
	if rest, ok := strings.CutPrefix(name, "go_gc_duration_seconds"); ok && (rest == "_sum" || rest == "_count") {
		return "go_gc_duration_seconds"
	}
	return name
}
