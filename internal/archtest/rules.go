package archtest

// Rules is every rule of the house.
var Rules = []Rule{
	{"floors", "a package that imports only lower floors can be read, tested and replaced without what stands above it", checkFloors},
	{"owners", "a module with one owner can be updated, wrapped and replaced in one place", checkOwners},
	{"imports", "some packages cost too much or do too much by being imported at all", checkBans},
	{"calls", "some functions reach around the values that a package is given", checkCalls},
	{"variables", "a package variable is shared by every gateway of the process and by every test", checkVariables},
	{"init", "what runs on import cannot be given options, cannot fail and cannot be left out", checkInit},
	{"package-comment", "a package that cannot say what it is for is not one", checkPackageComments},
	{"doc-comment", "units, ranges and errors of an exported name stand nowhere else", checkDocComments},
	{"names", "a name that fits everything keeps nothing out", checkNames},
	{"test-files", "a test from outside tests the promise, not the code; the others say so in their name", checkTestFiles},
	{"skip", "a skipped test is a green light that nobody lit", checkSkips},
	{"length", "what does not fit on a screen or two is not read", checkLength},
	{"words", "what is unfinished or private is not shipped", checkWords},
}
