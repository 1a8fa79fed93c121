# A floor is one folder with one library, made of every source in it. Its headers are found as "<folder>/<name>.hpp" only by
# targets that link it, because each floor offers an include directory of its own that holds nothing but a link to that
# folder. Reaching for a header of a floor that is not below is therefore a build error.
function(earshot_floor name)
  cmake_parse_arguments(floor "" "" "BELOW;PRIVATE;PRECOMPILE" ${ARGN})
  set(window ${CMAKE_BINARY_DIR}/floors/${name})
  file(MAKE_DIRECTORY ${window})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${window}/${name} SYMBOLIC)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  add_library(earshot_${name} STATIC ${sources})
  target_include_directories(earshot_${name} PUBLIC ${window})
  target_link_libraries(earshot_${name} PUBLIC ${floor_BELOW} PRIVATE ${floor_PRIVATE} earshot_warnings)
  if(floor_PRECOMPILE)
    target_precompile_headers(earshot_${name} PRIVATE ${floor_PRECOMPILE})
  endif()
endfunction()
