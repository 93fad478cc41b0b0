package doctor

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
)

// manyRestarts is where restarts are no accident any more.
const manyRestarts = 3

func unitState(ctx context.Context, m *Machine) (list []Finding) {
	if _, err := os.Stat(m.path("run/systemd/system")); err != nil {
		return []Finding{found(Unknown, "", "units: systemd does not run here")}
	}
	out, err := m.Systemctl(ctx, "show", "edgegw.service", "edgegw.socket",
		"--property=Id,LoadState,ActiveState,SubState,Result,NRestarts,UnitFileState,Listen")
	if err != nil {
		return []Finding{found(Unknown, "", "units: systemctl: %v", err)}
	}
	units := map[string]map[string]string{}
	for block := range strings.SplitSeq(strings.TrimSpace(out), "\n\n") {
		unit := map[string]string{}
		for line := range strings.Lines(block) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			unit[name] = strings.TrimSpace(unit[name] + " " + value) // Listen comes once for each
		}
		units[unit["Id"]] = unit
	}
	service, socket := units["edgegw.service"], units["edgegw.socket"]
	if service["LoadState"] != "loaded" {
		return []Finding{found(Note, "install the package, or systemd/edgegw.service", "there is no edgegw.service: nothing starts the gateway at boot")}
	}
	list = append(m.service(service), m.socket(socket)...)
	if list == nil {
		return good("edgegw.service is %s (%s)", service["ActiveState"], service["SubState"])
	}
	return list
}

func (m *Machine) service(u map[string]string) (list []Finding) {
	restarts, _ := strconv.Atoi(u["NRestarts"])
	const why = "`journalctl -u edgegw -n 50` says why; `edgegw config check` finds a bad configuration"
	switch {
	case u["ActiveState"] == "failed" || u["SubState"] == "auto-restart":
		list = append(list, found(Problem, why, "edgegw.service has failed: %s", u["Result"]))
	case restarts >= manyRestarts:
		list = append(list, found(Warning, why, "edgegw.service was restarted %d times", restarts))
	case u["ActiveState"] == "inactive" && m.Gateway.Answers:
		list = append(list, found(Note, "stop the other one, and start the service", "a gateway runs, but not as edgegw.service"))
	case u["ActiveState"] == "inactive":
		list = append(list, found(Warning, "`sudo systemctl enable --now edgegw`", "edgegw.service is stopped"))
	}
	if u["UnitFileState"] == "disabled" {
		list = append(list, found(Warning, "`sudo systemctl enable edgegw`", "edgegw.service does not start at boot"))
	}
	return list
}

// socket says when edgegw.socket holds other ports than the configuration names.
func (m *Machine) socket(u map[string]string) (list []Finding) {
	if u["ActiveState"] != "active" {
		return nil
	}
	for _, l := range m.listens() {
		_, port, err := net.SplitHostPort(l[1])
		if l[0] != "metrics_listen" && err == nil && !strings.Contains(u["Listen"]+" ", ":"+port+" ") {
			list = append(list, found(Warning, "make ListenStream= of edgegw.socket and "+l[0]+" the same (`sudo systemctl edit edgegw.socket`), or disable edgegw.socket",
				"edgegw.socket and the configuration disagree: %s = %s, and the socket listens on %s", l[0], l[1], u["Listen"]))
		}
	}
	return list
}
