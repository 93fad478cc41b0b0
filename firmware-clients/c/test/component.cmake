# Plays ESP-IDF's part for CMakeLists.txt, and prints which files the component has:
#   cmake -P component.cmake
set(ESP_PLATFORM 1)
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

macro(idf_component_register)
    cmake_parse_arguments(_ "" "" "SRCS;INCLUDE_DIRS;REQUIRES;PRIV_REQUIRES" ${ARGN})
    if(__UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "idf_component_register: ${__UNPARSED_ARGUMENTS}")
    endif()
    foreach(name ${__SRCS} ${__INCLUDE_DIRS})
        if(NOT EXISTS "${root}/${name}")
            message(FATAL_ERROR "${name} is not there")
        endif()
    endforeach()
    list(JOIN __SRCS "\n" names)
    file(WRITE "${OUT}" "${names}\n")
endmacro()

include("${root}/CMakeLists.txt")
