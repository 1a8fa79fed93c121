#include "actors/question_desk.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kWayBack = 8;  // this part of what is left is for the answer's way back

Error overloaded(const char* what) { return Error{ErrorCode::kOverloaded, "", what, limits::kRetryAfterMs}; }

}  // namespace

void QuestionDesk::ask(NodesQuestion question, std::uint64_t now_ms) {
  if (open_.size() >= limits_.open_max)
    return question.done(fail(overloaded("as many questions to other nodes as may be open")));
  const auto [opened, is_new] = open_.emplace(
      ++last_, Open{std::move(question.part), NodeGather(std::move(question.layer), std::move(question.regions)),
                    now_ms + question.deadline_ms, 0, std::move(question.done), question.tag});
  ask_nodes(opened, now_ms);
}

void QuestionDesk::set_due(Questions::iterator question, std::uint64_t at_ms) {
  Open& open = question->second;
  due_.erase({open.due_ms, question->first});
  open.due_ms = std::min(at_ms, open.deadline_ms);
  due_.emplace(open.due_ms, question->first);
}

QuestionDesk::Open QuestionDesk::take_out(Questions::iterator question) {
  due_.erase({question->second.due_ms, question->first});
  auto out = open_.extract(question);
  note_bytes(out.mapped().gather.bytes(), 0);
  return std::move(out.mapped());
}

void QuestionDesk::ask_nodes(Questions::iterator question, std::uint64_t now_ms) {
  auto cells = host_.cells();
  if (question->second.gather.is_other(*cells)) {
    // What is answered to the round before is dropped by its number.
    due_.erase({question->second.due_ms, question->first});
    auto moved = open_.extract(question);
    moved.key() = ++last_;
    question = open_.insert(std::move(moved)).position;
  }
  Open& open = question->second;
  const std::size_t before = open.gather.bytes();
  const auto asks = open.gather.ask(std::move(cells), now_ms);
  note_bytes(before, open.gather.bytes());
  const std::uint64_t left_ms = open.deadline_ms - std::min(open.deadline_ms, now_ms);
  NodeQuestion asked{question->first,
                     static_cast<std::uint32_t>(left_ms - left_ms / kWayBack),
                     open.gather.cells().view(),
                     {},
                     open.part,
                     open.tag};
  bool all_went = true;
  for (const NodeGather::Ask& ask : asks) {
    asked.regions = ask.regions;
    all_went &= host_.send(ask.node, asked);
  }
  set_due(question, now_ms + (all_went ? limits::kQuestionAgainMs : limits::kQuestionRefusedMs));
}

void QuestionDesk::answered(NodeId from, NodeAnswer answer, std::uint64_t now_ms) {
  const auto found = open_.find(answer.id);
  if (found == open_.end()) return;
  Open& open = found->second;
  if (!fits(open.part, answer.told)) return;
  const std::size_t before = open.gather.bytes();
  if (!open.gather.take(from, std::move(answer), now_ms)) return;
  note_bytes(before, open.gather.bytes());
  if (open.gather.is_over()) return finish(found);
  if (bytes_ > limits_.bytes_max) {
    const Open over = take_out(found);
    return over.done(fail(overloaded("the answers of other nodes take as much memory as they may")));
  }
  if (open.gather.is_refused()) set_due(found, std::min(open.due_ms, now_ms + limits::kQuestionRefusedMs));
}

void QuestionDesk::link_changed(NodeId node, std::uint64_t now_ms) {
  for (auto question = open_.begin(); question != open_.end(); ++question)
    if (question->second.gather.waits_for(node))
      set_due(question, std::min(question->second.due_ms, now_ms + limits::kQuestionRefusedMs));
}

void QuestionDesk::wake(std::uint64_t now_ms) {
  std::vector<std::uint64_t> due;
  for (auto one = due_.begin(); one != due_.end() && one->first <= now_ms; ++one) due.push_back(one->second);
  for (const std::uint64_t id : due) {
    const auto question = open_.find(id);
    if (question == open_.end()) continue;
    now_ms >= question->second.deadline_ms ? finish(question) : ask_nodes(question, now_ms);
  }
}

// Out of the table first: whoever is answered may ask again.
void QuestionDesk::finish(Questions::iterator question) {
  Open over = take_out(question);
  if (!over.gather.is_over() && spdlog::should_log(spdlog::level::debug))
    spdlog::debug("{}: not every node has told in time who is there", over.tag.to_string());
  over.done(std::move(over.gather).finish());
}

}  // namespace earshot::actors
