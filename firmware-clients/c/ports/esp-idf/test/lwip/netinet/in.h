#pragma once
#define IPPROTO_TCP 6
