package observed_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
)

// root is the root of the repository.
var root = filepath.Join("..", "..")

func TestMain(m *testing.M) { os.Exit(process.Main(m, root)) }

// deployed is the path of a file of deploy/.
func deployed(name ...string) string {
	return filepath.Join(append([]string{root, "deploy"}, name...)...)
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// run runs a tool to its end, and fails the test unless it ends well.
func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v (scripts/ensure-tools.sh installs what is missing)\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// tool is a server of somebody else's that runs beside the test.
type tool struct {
	t       *testing.T
	url     string
	process *os.Process
	gone    chan struct{}
	log     string
}

// start runs a tool that serves HTTP on the address, and waits until it does.
func start(t *testing.T, address string, env []string, name string, args ...string) *tool {
	t.Helper()
	o := &tool{t: t, url: "http://" + address, gone: make(chan struct{}), log: filepath.Join(t.TempDir(), name+".log")}
	out, err := os.Create(o.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(process.Environment(), env...)
	// A test that is cut off leaves nothing behind. The kernel takes the thread
	// for the parent, so this one has to live as long.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(o.gone)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("%s: %v (scripts/ensure-tools.sh installs what is missing)", name, err)
	}
	o.process = cmd.Process
	t.Cleanup(o.stop)
	await(t, name+" to answer", func() (bool, string) {
		select {
		case <-o.gone:
			t.Fatalf("%s ended:\n%s", name, read(t, o.log))
		default:
		}
		_, err := get(o.url + "/health")
		return err == nil, fmt.Sprint(err)
	})
	return o
}

// stop ends the tool in order, and by force when it takes too long.
func (o *tool) stop() {
	_ = o.process.Signal(syscall.SIGTERM)
	select {
	case <-o.gone:
	case <-time.After(process.Patience):
		_ = o.process.Kill()
		<-o.gone
	}
}

// get asks for an address and wants 200.
func get(url string) (string, error) {
	client := http.Client{Timeout: process.Patience}
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return string(b), err
}

// await asks again and again until what has to come is there; ok says what is
// there instead.
func await(t *testing.T, what string, ok func() (bool, string)) {
	t.Helper()
	const limit = 60 * time.Second
	said := ""
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		done := false
		if done, said = ok(); done {
			return
		}
	}
	t.Fatalf("waited %v in vain for %s; there is: %s", limit, what, said)
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
