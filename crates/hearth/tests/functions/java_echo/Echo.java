import java.util.HashMap;
import java.util.Map;

/** Answers with what it was given. Depends on nothing of AWS's. */
public class Echo {
    public Map<String, Object> handle(Map<String, Object> event) {
        Map<String, Object> answer = new HashMap<>();
        answer.put("language", "java");
        answer.put("event", event);
        return answer;
    }
}
